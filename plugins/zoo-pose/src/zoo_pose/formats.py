"""Reads files of joints: text of MSR Action3D, NTU's `.skeleton`, OpenPifPaf's JSON; an error names file and line.

Every reader gives frames as float32 (frames, joints, axes), NaN where a joint was lost. It knows no split and no class.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_pose.skeletons import COCO_17, KINECT_20, KINECT_25

MSR_JOINTS, NTU_JOINTS, COCO_JOINTS = (len(skeleton["joints"]) for skeleton in (KINECT_20, KINECT_25, COCO_17))
NTU_BODY, NTU_JOINT = 10, 12  # numbers in a body's line and in a joint's
FAR = 1e5  # of any place, in metres or pixels: what lies beyond is damage
NEAR_JOINTS = 3  # that two frames must share for their bodies to be compared


def read_msr(path: Path) -> Array:
    """A text of 20 lines a frame, `x y z confidence` in metres: float32 (frames, 20, 3).

    Frames whose joints are all zero were lost. Raises DamagedDataError: cut in a frame, a line of other than four
    numbers, a number that is none.
    """
    lines = _lines(path)
    numbers = _all_numbers(path, lines, 4)
    if len(numbers) % MSR_JOINTS:
        frame, joint = divmod(len(numbers), MSR_JOINTS)
        problem = f"the file ends after {joint} of the {MSR_JOINTS} joints of frame {frame + 1}"
        raise _wrong(path, len(lines), f"{problem}: it is cut or damaged")
    frames = numbers.reshape(-1, MSR_JOINTS, 4)[..., :3]
    frames[(frames == 0).all(axis=(1, 2))] = np.nan
    return frames


def read_ntu(path: Path) -> Array:
    """NTU's text: frames, in each the bodies, in each 25 joints of twelve numbers: float32 (frames, 25, 3), metres.

    Of several bodies the one is taken that moves most; frames without it were lost. Raises DamagedDataError: cut, a
    wrong number of joints or of numbers in a line, a number that is none, lines after the last frame.
    """
    lines = _Lines(path, _lines(path))
    count = lines.count("frames")
    bodies: dict[str, Array] = {}
    for frame in range(count):
        for _ in range(lines.count("bodies")):
            name = lines.words(NTU_BODY, "a body's")[0]
            joints = lines.count("joints")
            if joints != NTU_JOINTS:
                raise lines.wrong(f"a body of {joints} joints, not {NTU_JOINTS}")
            if name not in bodies:
                bodies[name] = np.full((count, NTU_JOINTS, 3), np.nan, np.float32)
            bodies[name][frame] = lines.joints(NTU_JOINTS, NTU_JOINT)[:, :3]
    lines.end()
    return max(bodies.values(), key=movement, default=np.full((count, NTU_JOINTS, 3), np.nan, np.float32))


def movement(body: Array) -> float:
    """How much a body moves: over time, the sum of its joints' variances; more for one that is there more often.

    body: (frames, joints, axes), NaN where it was lost.
    """
    here = body[~np.isnan(body).any(axis=(1, 2))]
    return float(here.var(axis=0).sum()) * len(here) if len(here) else 0.0


def read_openpifpaf(path: Path) -> Array:
    """One sequence: a folder of JSON files, one a frame in the order of the names, or a file of a JSON line a frame.

    A frame's annotations are a list of people, alone or as `predictions` beside the number `frame`; a person has
    `keypoints`, 17 times x, y, confidence. Numbers left out are lost frames. Of several people the one is followed who
    is surest at first and then nearest. Returns float32 (frames, 17, 2), pixels, NaN where nobody or no joint was seen.
    Raises DamagedDataError: no JSON, another number of joints, a number that is none; DataUnavailableError: no frames.
    """
    numbered: dict[int, list[Array]] = {}
    for place, (file, line, text) in enumerate(_documents(path)):
        number, people = _people(file, line, text)
        number = place if number is None else number
        if number in numbered:
            raise _wrong(file, line, f"frame {number} is there twice")
        numbered[number] = people
    if not numbered:
        raise DataUnavailableError(f"{path} holds no frames: fill or remove it")
    first, last = min(numbered), max(numbered)
    if last - first > 100 * len(numbered):
        raise DamagedDataError(f"{path} has {len(numbered)} frames with numbers from {first} to {last}: number them on")
    return _followed([numbered.get(number, []) for number in range(first, last + 1)])


def _followed(frames: Sequence[Sequence[Array]]) -> Array:
    """One person through the frames, each a list of (17, 3)."""
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
    """Mean distance of the joints that both have; endless where these are too few."""
    both = (person[:, 2] > 0) & (other[:, 2] > 0)
    if both.sum() < NEAR_JOINTS:
        return float("inf")
    return float(np.linalg.norm(person[both, :2] - other[both, :2], axis=1).mean())


def _documents(path: Path) -> Iterator[tuple[Path, int, str]]:
    """File, line and text of every frame of a sequence."""
    if path.is_dir():
        for file in sorted(path.glob("*.json")):
            yield file, 1, "\n".join(_lines(file))
        return
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield path, number, line


def _people(path: Path, line: int, text: str) -> tuple[int | None, list[Array]]:
    """A frame's number, where it is told, and its people, each float32 (17, 3)."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, line, f"is no JSON ({error}): it is cut or damaged") from error
    number = content.get("frame") if isinstance(content, dict) else None
    people = content.get("predictions") if isinstance(content, dict) else content
    if not isinstance(people, list) or not (number is None or (type(number) is int and number >= 0)):
        raise _wrong(path, line, "is neither a list of annotations nor an object of `frame` and `predictions`")
    return number, [_person(path, line, person) for person in people]


def _person(path: Path, line: int, person: Any) -> Array:
    keypoints = person.get("keypoints") if isinstance(person, dict) else None
    if not isinstance(keypoints, list):
        raise _wrong(path, line, "an annotation has no list `keypoints`")
    if len(keypoints) != 3 * COCO_JOINTS:
        raise _wrong(path, line, f"a person of {len(keypoints)} numbers, not {COCO_JOINTS} joints of three")
    if not all(type(value) in (int, float) and abs(value) <= FAR for value in keypoints):  # NaN is not
        raise _wrong(path, line, "a keypoint is no number, or not a finite one")
    return np.asarray(keypoints, np.float32).reshape(COCO_JOINTS, 3)


class _Lines:
    """The lines of a file, taken one by one."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path, self._lines, self._next = path, lines, 0

    def wrong(self, problem: str) -> DamagedDataError:
        return _wrong(self._path, self._next, problem)

    def words(self, count: int, whose: str) -> list[str]:
        """The next line's words, `count` of them."""
        if self._next >= len(self._lines):
            raise self.wrong(f"the file ends where {whose} line is expected: it is cut")
        words = self._lines[self._next].split()
        self._next += 1
        if len(words) != count:
            raise self.wrong(f"{len(words)} values in {whose} line, not {count}")
        return words

    def count(self, what: str) -> int:
        """A line with one whole number."""
        (word,) = self.words(1, f"the number of {what}, its")
        if not (word.isascii() and word.isdigit() and len(word) < 6):
            raise self.wrong(f"{word!r} is not a number of {what}")
        return int(word)

    def joints(self, count: int, numbers: int) -> Array:
        """The next `count` lines of so many numbers."""
        here = self._lines[self._next : self._next + count]
        found = _all_numbers(self._path, here, numbers, self._next, leading=3)
        self._next += len(here)
        if len(here) < count:
            raise self.wrong(f"the file ends after {len(here)} of {count} joints: it is cut")
        return found

    def end(self) -> None:
        if any(line.strip() for line in self._lines[self._next :]):
            self._next += 1
            raise self.wrong("there is more after the last frame: the number of frames is wrong")


def _all_numbers(path: Path, lines: Sequence[str], count: int, first: int = 0, *, leading: int | None = None) -> Array:
    """Lines of `count` numbers as float32 (lines, leading or count). Raises DamagedDataError naming the line."""
    rows = [line.split() for line in lines]
    for number, row in enumerate(rows, first + 1):
        if len(row) != count:
            raise _wrong(path, number, f"{len(row)} values, not {count}: it is cut or damaged")
    try:
        numbers = np.array([row[:leading] for row in rows], np.float64).reshape(len(rows), leading or count)
        bad = ~(np.abs(numbers) <= FAR).all(axis=1)  # NaN is not
    except ValueError:
        bad = np.array([not all(map(_is_number, row[:leading])) for row in rows])
    if bad.any():
        raise _wrong(path, first + 1 + int(bad.argmax()), "a value is no number, or not a finite one")
    return numbers.astype(np.float32)


def _is_number(word: str) -> bool:
    try:
        return abs(float(word)) <= FAR
    except ValueError:
        return False


def _lines(path: Path) -> list[str]:
    """A file's lines without blank ones at its end. Raises DamagedDataError where it is empty or no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except (OSError, ValueError) as error:
        raise DamagedDataError(f"{path} cannot be read as text ({error}): fetch it again") from error
    if not text.strip():
        raise DamagedDataError(f"{path} is empty: fetch it again, or remove it")
    return text.rstrip().split("\n")


def _wrong(path: Path, line: int, problem: str) -> DamagedDataError:
    return DamagedDataError(f"{path} line {line}: {problem}")
