"""Reads files of joints: MSR Action3D's text, NTU's `.skeleton`, OpenPifPaf's JSON. An error names file and line.

Every reader returns float32 (frames, joints, axes), NaN for a missing joint. It knows neither splits nor classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.names import natural_key, sort_frames
from zoo_core.data.reading import read_text, shorten
from zoo_core.data.walk import list_folder
from zoo_pose.skeletons import COCO_17, KINECT_20, KINECT_25

MSR_JOINTS, NTU_JOINTS, COCO_JOINTS = (len(skeleton["joints"]) for skeleton in (KINECT_20, KINECT_25, COCO_17))
NTU_BODY, NTU_JOINT = 10, 12  # values in the line of a body, and in that of a joint
MAX_COORDINATE = 1e5  # in metres or pixels; a larger value means that the file is damaged
MAX_JUMP, MAX_SPEED = 0.5, 0.1  # metres, and metres per frame: how far a body moves before it is another one
MAX_FRAMES, MAX_BODIES = 1_000_000, 100  # of a sequence: nine hours, and more people than a sensor tells apart
MAX_NAME = 255  # characters of an image's name
MIN_COMMON_JOINTS = 3  # that two frames must share, to measure the distance of their bodies


def read_msr(path: Path) -> Array:
    """Read a text of 20 lines per frame, `x y z confidence` in metres: float32 (frames, 20, 3).

    A frame whose joints are all zero is a lost one. Raises DamagedDataError if the file ends inside a frame, or a line
    is not four finite numbers.
    """
    lines = _read_lines(path)
    numbers = _parse_numbers(path, lines, 4)
    if len(numbers) % MSR_JOINTS:
        frame, joint = divmod(len(numbers), MSR_JOINTS)
        problem = f"the file ends after {joint} of the {MSR_JOINTS} joints of frame {frame + 1}"
        raise _damaged(path, len(lines), f"{problem}: it is cut or damaged")
    frames = numbers.reshape(-1, MSR_JOINTS, 4)[..., :3]
    frames[(frames == 0).all(axis=(1, 2))] = np.nan
    return frames


def read_ntu(path: Path) -> Array:
    """Read NTU's text: frames of bodies of 25 joints of twelve numbers each: float32 (frames, 25, 3), metres.

    The recorder gives a body another number when it loses and finds it, so bodies are followed by position. Of several
    bodies, the one that moves most is used; frames without it are lost ones. Raises DamagedDataError if the file is cut
    or has lines after the last frame, for a wrong count of joints or values, and for values that are not finite
    numbers.
    """
    lines = _LineReader(path, _read_lines(path))
    frames: list[list[tuple[str, Array]]] = []
    for _ in range(lines.count("frames")):
        frames.append([])
        bodies = lines.count("bodies")
        if bodies > MAX_BODIES:
            raise lines.wrong(f"a frame of {bodies} bodies, more than {MAX_BODIES}")
        for _ in range(bodies):
            name = lines.words(NTU_BODY, "a body's")[0]
            joints = lines.count("joints")
            if joints != NTU_JOINTS:
                raise lines.wrong(f"a body of {joints} joints, not {NTU_JOINTS}")
            frames[-1].append((name, lines.joints(NTU_JOINTS, NTU_JOINT)[:, :3]))
    lines.end()
    try:
        found = follow_bodies(frames)
    except ValueError as error:
        raise lines.wrong(str(error)) from error
    return max(found, key=movement, default=np.full((len(frames), NTU_JOINTS, 3), np.nan, np.float32))


@dataclass(slots=True)
class _Track:
    """A body that is followed: its positions by frame, its last number and its last frame."""

    places: dict[int, Array]
    name: str
    frame: int

    def whole(self, frames: int) -> Array:
        """Return the positions in all frames, NaN where the body is lost: float32 (frames, 25, 3)."""
        found = np.full((frames, NTU_JOINTS, 3), np.nan, np.float32)
        for frame, joints in self.places.items():
            found[frame] = joints
        return found


def follow_bodies(frames: Sequence[Sequence[tuple[str, Array]]]) -> Iterator[Array]:
    """Follow bodies through frames of (number, joints (25, 3) in metres); yield each as float32 (frames, 25, 3).

    In each frame, the nearest pairs of a body and its last position are joined first, up to the distance that a body
    can move meanwhile. A body farther away is joined by its number, else it is a new one. Raises ValueError for more
    than a hundred bodies.
    """
    tracks: list[_Track] = []
    for frame, bodies in enumerate(frames):
        pairs: list[tuple[bool, float, bool, int, int, _Track]] = []
        for row, (name, joints) in enumerate(bodies):
            for track in tracks:
                distance = float(np.linalg.norm(joints - track.places[track.frame], axis=1).mean())
                far = distance > MAX_JUMP + MAX_SPEED * (frame - track.frame)
                if not far or name == track.name:
                    pairs.append((far, distance, name != track.name, row, len(pairs), track))
        joined: dict[int, _Track] = {}
        for *_, row, _, track in sorted(pairs, key=lambda pair: pair[:5]):
            if row not in joined and all(track is not other for other in joined.values()):
                joined[row] = track
        for row, (name, joints) in enumerate(bodies):
            if row not in joined:
                if len(tracks) == MAX_BODIES:
                    raise ValueError(f"the sequence shows more than {MAX_BODIES} bodies")
                joined[row] = _Track({}, name, frame)
                tracks.append(joined[row])
            track = joined[row]
            track.places[frame], track.name, track.frame = joints, name, frame
    return (track.whole(len(frames)) for track in tracks)


def movement(body: Array) -> float:
    """Measure how much a body moves: the sum of its joints' variances over time, times the frames that show it.

    body: (frames, joints, axes), NaN in frames without it.
    """
    here = body[~np.isnan(body).any(axis=(1, 2))]
    return float(here.var(axis=0).sum()) * len(here) if len(here) else 0.0


def read_openpifpaf(path: Path) -> Array:
    """Read one sequence: a folder of JSON files, one per frame, or one file.

    The files are in the order of the numbers in their names. One file holds its frames one after another, such as one
    JSON line per frame, or as one array. A frame is a list of people, or an object with that list as `predictions` and
    a number as `frame`; missing numbers are lost frames. In
    COCO's form, a file holds one array of people, whose `image_id` names the frame. A person has `keypoints`: x, y and
    confidence of 17 joints. Of several people, the most confident one of the first frame is followed, then always the
    nearest. Returns float32 (frames, 17, 2), pixels, NaN for missing joints. Raises DamagedDataError for invalid JSON,
    two files of the same number, a wrong number of joints or values that are not finite numbers, DataUnavailableError
    for a sequence without frames.
    """
    numbered: dict[int, list[Array]] = {}
    for place, (file, line, content) in enumerate(_frames(path)):
        number, people = _parse_frame(file, line, content)
        number = place if number is None else number
        if number in numbered:
            raise _damaged(file, line, f"frame {number} exists twice")
        numbered[number] = people
    if not numbered:
        raise DataUnavailableError(f"{path} holds no frames: fill or remove it")
    first, last = min(numbered), max(numbered)
    if last - first > min(100 * len(numbered), MAX_FRAMES):
        raise DamagedDataError(
            f"{path} has {len(numbered)} frames numbered from {first} to {last}: number them without gaps"
        )
    return _follow_one_person([numbered.get(number, []) for number in range(first, last + 1)])


def _follow_one_person(frames: Sequence[Sequence[Array]]) -> Array:
    """Follow one person through the frames, each a list of (17, 3)."""
    found = np.full((len(frames), COCO_JOINTS, 2), np.nan, np.float32)
    last: Array | None = None
    for place, people in enumerate(frames):
        if not people:
            continue
        if last is None:
            person = max(people, key=lambda person: float(person[:, 2].mean()))
        else:
            before = last
            person = min(people, key=lambda person: _distance(person, before))
        last = person
        seen = person[:, 2] > 0
        found[place, seen] = person[seen, :2]
    return found


def _distance(person: Array, other: Array) -> float:
    """Return the mean distance of the joints that both have; infinity if these are too few."""
    both = (person[:, 2] > 0) & (other[:, 2] > 0)
    if both.sum() < MIN_COMMON_JOINTS:
        return float("inf")
    return float(np.linalg.norm(person[both, :2] - other[both, :2], axis=1).mean())


def _frames(path: Path) -> Iterator[tuple[Path, int, Any]]:
    """Yield the file, line number and JSON value of every frame of a sequence."""
    if path.is_dir():
        files = (file for file in list_folder(path).files if file.suffix.lower() == ".json")
        for file in sort_frames(files):
            values = list(_json_values(file))
            if len(values) > 1:
                raise _damaged(file, values[1][0], "a second frame, but each file in this folder is one frame")
            yield from ((file, line, value) for line, value in values)
        return
    values = list(_json_values(path))
    if len(values) == 1:
        line, value = values[0]
        values = [(line, frame) for frame in _frames_of_array(path, line, value)]
    yield from ((path, line, value) for line, value in values)


def _json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the JSON values in a file, one after another, each with the number of its first line."""
    text, place = "\n".join(_read_lines(path)), 0
    decoder, line = json.JSONDecoder(), 1
    while place < len(text):
        if text[place].isspace():
            line += text[place] == "\n"
            place += 1
            continue
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise _damaged(path, line, f"is not JSON ({error}): it is cut or damaged") from error
        yield line, value
        line, place = line + text.count("\n", place, end), end


def _frames_of_array(path: Path, line: int, value: Any) -> list[Any]:
    """Split a file's only JSON value into frames: an array of frames, COCO's people by `image_id`, or one frame."""
    people = value.get("annotations") if isinstance(value, dict) and "predictions" not in value else value
    if not isinstance(people, list) or not people:
        return [value]
    if all(isinstance(item, list) or (isinstance(item, dict) and "predictions" in item) for item in people):
        return people
    if not all(isinstance(item, dict) and isinstance(item.get("image_id"), int | str) for item in people):
        return [value]
    by_image: dict[int | str, list[Any]] = {}
    for person in people:
        by_image.setdefault(person["image_id"], []).append(person)
    if len({type(image) for image in by_image}) > 1:
        raise _damaged(path, line, "some `image_id` are numbers and some are names: use one of the two")
    if any(len(str(image)) > MAX_NAME for image in by_image):
        raise _damaged(path, line, f"an `image_id` is longer than {MAX_NAME} characters")
    names = sorted(by_image, key=lambda image: natural_key(str(image)))
    return [{"frame": name if type(name) is int else None, "predictions": by_image[name]} for name in names]


def _parse_frame(path: Path, line: int, content: Any) -> tuple[int | None, list[Array]]:
    """Return a frame's number, if it has one, and its people, each float32 (17, 3)."""
    number = content.get("frame") if isinstance(content, dict) else None
    people = content.get("predictions") if isinstance(content, dict) else content
    if not isinstance(people, list) or not (number is None or (type(number) is int and number >= 0)):
        raise _damaged(path, line, "is neither a list of annotations nor an object of `frame` and `predictions`")
    return number, [_parse_person(path, line, person) for person in people]


def _parse_person(path: Path, line: int, person: Any) -> Array:
    keypoints = person.get("keypoints") if isinstance(person, dict) else None
    if not isinstance(keypoints, list):
        raise _damaged(path, line, "an annotation has no list `keypoints`")
    if len(keypoints) != 3 * COCO_JOINTS:
        raise _damaged(path, line, f"a person of {len(keypoints)} numbers, not {COCO_JOINTS} joints of three numbers")
    if not all(type(value) in (int, float) and abs(value) <= MAX_COORDINATE for value in keypoints):  # False for NaN
        raise _damaged(path, line, "a keypoint is not a finite number")
    return np.asarray(keypoints, np.float32).reshape(COCO_JOINTS, 3)


class _LineReader:
    """Reads the lines of a file one by one."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path, self._lines, self._next = path, lines, 0

    def wrong(self, problem: str) -> DamagedDataError:
        return _damaged(self._path, self._next, problem)

    def words(self, count: int, whose: str) -> list[str]:
        """Return the `count` words of the next line; `whose` names the line in errors."""
        if self._next >= len(self._lines):
            raise self.wrong(f"the file ends where {whose} line is expected: it is cut")
        words = self._lines[self._next].split()
        self._next += 1
        if len(words) != count:
            raise self.wrong(f"{len(words)} values in {whose} line, not {count}")
        return words

    def count(self, what: str) -> int:
        """Read a line with one whole number, the count of `what`."""
        (word,) = self.words(1, f"the number of {what}, its")
        if not (word.isascii() and word.isdigit() and len(word) < 6):
            raise self.wrong(f"{word!r} is not a number of {what}")
        return int(word)

    def joints(self, count: int, numbers: int) -> Array:
        """Read the next `count` lines of `numbers` values each; return the first three of each line."""
        here = self._lines[self._next : self._next + count]
        found = _parse_numbers(self._path, here, numbers, self._next, leading=3)
        self._next += len(here)
        if len(here) < count:
            raise self.wrong(f"the file ends after {len(here)} of {count} joints: it is cut")
        return found

    def end(self) -> None:
        if any(line.strip() for line in self._lines[self._next :]):
            self._next += 1
            raise self.wrong("the file goes on after the last frame: the number of frames is wrong")


def _parse_numbers(
    path: Path, lines: Sequence[str], count: int, first: int = 0, *, leading: int | None = None
) -> Array:
    """Parse lines of `count` numbers: float32 (lines, leading or count). Raises DamagedDataError naming the line."""
    rows = [line.split() for line in lines]
    for number, row in enumerate(rows, first + 1):
        if len(row) != count:
            raise _damaged(path, number, f"{len(row)} values, not {count}: it is cut or damaged")
    try:
        numbers = np.array([row[:leading] for row in rows], np.float64).reshape(len(rows), leading or count)
        bad = ~(np.abs(numbers) <= MAX_COORDINATE).all(axis=1)  # True for NaN
    except ValueError:
        bad = np.array([not all(map(_is_number, row[:leading])) for row in rows])
    if bad.any():
        raise _damaged(path, first + 1 + int(bad.argmax()), "a value is not a finite number")
    return numbers.astype(np.float32)


def _is_number(word: str) -> bool:
    try:
        return abs(float(word)) <= MAX_COORDINATE
    except ValueError:
        return False


def _read_lines(path: Path) -> list[str]:
    """Read a file's lines, without blank ones at the end. Raises DamagedDataError if it is empty or not text."""
    text = read_text(path)
    if not text.strip():
        raise DamagedDataError(f"{path} is empty: fetch it again, or remove it")
    return text.rstrip().split("\n")


def _damaged(path: Path, line: int, problem: str) -> DamagedDataError:
    return DamagedDataError(f"{path} line {line}: {shorten(problem, 1000)}")
