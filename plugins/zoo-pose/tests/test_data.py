"""The loaders on real recordings, on files made by hand and on damaged ones."""

from __future__ import annotations

import csv
import json
import os
import re
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_pose.data import MSR_ACTIONS, NTU_ACTIONS, NTU_TRAINING, MsrAction3d, NtuRgbd, OpenPifPaf, read_any
from zoo_pose.formats import read_msr, read_ntu, read_openpifpaf
from zoo_pose.plugin import zoo_datasets
from zoo_pose.sequences import fill_gaps, normalize, resample
from zoo_pose.skeletons import COCO_17, KINECT_20, KINECT_25

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError, ZooError
from zoo_core.data.columns import Ragged
from zoo_core.data.open import data_context

SPECS = {spec.name: spec for spec in zoo_datasets()}


def left_out(loader: Any) -> dict[Path, str]:
    """What a loader reported as left out, with the reason."""
    found: dict[Path, str] = loader._ctx.files.left_out
    return found


def msr(root: Path) -> MsrAction3d:
    return MsrAction3d(data_context(SPECS["msr-action3d"], Context(data_root=root)))


def ntu(root: Path) -> NtuRgbd:
    return NtuRgbd(data_context(SPECS["ntu-rgbd"], Context(data_root=root)))


def pifpaf(root: Path) -> OpenPifPaf:
    return OpenPifPaf(data_context(SPECS["openpifpaf"], Context(data_root=root)))


def values(columns: Any) -> Ragged:
    assert isinstance(columns["x"], Ragged)
    return columns["x"]


# MSR Action3D


@pytest.fixture(scope="module")
def real_msr(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("msr")
    with tarfile.open(test_data / "msraction3d.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "msraction3d"


@pytest.mark.data
def test_msr_is_split_and_labelled_as_its_index_says(real_msr: Path) -> None:
    with (real_msr / "index.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])
    for split in ("train", "test"):
        columns, wanted = msr(real_msr).load(split), [row for row in rows if row["split"] == split]
        assert columns["y"].tolist() == [int(row["action"]) - 1 for row in wanted]
        assert columns["group"].tolist() == [int(row["subject"]) for row in wanted]
        assert values(columns).values.dtype == np.float32
        assert np.isfinite(values(columns).values).all()
        for row, recorded in enumerate(wanted):
            frames = np.loadtxt(real_msr / "MSRAction3DSkeletonReal3D" / recorded["file"]).reshape(-1, 20, 4)
            seen = np.flatnonzero(frames[..., :3].any(axis=(1, 2)))
            assert len(values(columns)[row]) == seen[-1] - seen[0] + 1
            place = seen[len(seen) // 2]
            assert np.allclose(values(columns)[row][place - seen[0]], frames[place, :, :3], atol=1e-5)


def write_msr(root: Path, name: str = "a01_s01_e01", frames: int = 3, **places: Any) -> Path:
    """Every joint of frame n is at (n, joint, 2)."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"{frame} {joint} 2 1.0" for frame in range(frames) for joint in range(20)]
    path = root / f"{name}_skeleton3D.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_odd_subjects_train_and_even_ones_test_at_any_depth(tmp_path: Path) -> None:
    for name in ("a01_s01_e01", "a03_s03_e01", "a20_s02_e01"):
        write_msr(tmp_path / "outer" / "inner", name)
    (tmp_path / "outer" / "README.txt").write_text("read me")
    train, test = msr(tmp_path).load("train"), msr(tmp_path).load("test")
    assert (train["y"].tolist(), train["group"].tolist()) == ([0, 2], [1, 3])
    assert (test["y"].tolist(), test["group"].tolist()) == ([19], [2])
    assert values(train)[0][2, 5].tolist() == [2, 5, 2]
    assert len(set(MSR_ACTIONS)) == 20


def replaced(line: int, text: str) -> Callable[[Path], None]:
    """Puts `text` in the place of a line, counted from 1."""

    def damage(path: Path) -> None:
        lines = path.read_text().split("\n")
        lines[line - 1] = text
        path.write_text("\n".join(lines))

    return damage


def cut(line: int) -> Callable[[Path], None]:
    """Keeps so many lines."""
    return lambda path: path.write_text("\n".join(path.read_text().split("\n")[:line])) and None


MSR_DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut in the middle of a frame": (cut(47), "line 47: the file ends after 7 of the 20 joints of frame 3"),
    "cut in the middle of a line": (replaced(60, "2 19"), "line 60: 2 values, not 4"),
    "a joint too many": (replaced(60, "2 19 2 1\n2 20 2 1"), "line 61: the file ends after 1 of the 20 joints"),
    "a word": (replaced(33, "1 12 two 1"), "line 33: a value is not a finite number"),
    "not a number": (replaced(33, "1 12 nan 1"), "line 33: a value is not a finite number"),
    "without an end": (replaced(1, "0 inf 2 1"), "line 1: a value is not a finite number"),
    "empty": (lambda path: path.write_text(""), "is empty: fetch it again"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00\x80" * 9), "is not text in UTF-8"),
}


@pytest.mark.parametrize("damage", MSR_DAMAGED)
def test_a_damaged_msr_file_is_an_error_that_names_the_line(tmp_path: Path, damage: str) -> None:
    do, words = MSR_DAMAGED[damage]
    path = write_msr(tmp_path)
    do(path)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        read_msr(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_frame_that_is_all_zero_is_lost(tmp_path: Path) -> None:
    path = write_msr(tmp_path, frames=4)
    lines = path.read_text().split("\n")
    lines[20:40] = ["0.0 0.0 0.0 0.0"] * 20
    path.write_text("\n".join(lines))
    assert np.isnan(read_msr(path)).all(axis=(1, 2)).tolist() == [False, True, False, False]
    frames = read_any(path)
    assert frames[:, 7].tolist() == [[0, 7, 2], [1, 7, 2], [2, 7, 2], [3, 7, 2]]


def test_a_recording_of_lost_frames_alone_is_left_out_with_a_reason(tmp_path: Path) -> None:
    write_msr(tmp_path, "a02_s01_e01")
    path = write_msr(tmp_path, "a03_s01_e01")
    path.write_text("0 0 0 0\n" * 60)
    loader = msr(tmp_path)
    assert loader.load("train")["y"].tolist() == [1]
    assert left_out(loader) == {path: "fewer than two frames with a body"}


def test_msr_refuses_what_it_cannot_tell(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"holds no recordings; it must hold aAA_sSS_eEE_skeleton3D\.txt"):
        msr(tmp_path).load("train")
    path = write_msr(tmp_path)
    with pytest.raises(DataUnavailableError, match="holds no recordings of test"):
        msr(tmp_path).load("test")
    with pytest.raises(UnknownSplitError, match="'val'"):
        msr(tmp_path).load("val")
    again = write_msr(tmp_path / "copy")
    with pytest.raises(DamagedDataError, match=re.escape(f"{path} and {again} both exist")):
        msr(tmp_path).load("train")
    again.unlink()
    write_msr(tmp_path, "a21_s01_e01")
    with pytest.raises(DamagedDataError, match="is of action 21, not one of 1 to 20"):
        msr(tmp_path).load("train")


# NTU RGB+D


def body(name: str, places: Sequence[float], frame: int) -> str:
    """One body's lines in a frame: joint j at (places[frame], j, 3)."""
    joints = [f"{places[frame]} {joint} 3 0 0 0 0 0 0 0 0 2" for joint in range(25)]
    return "\n".join([f"{name} 0 1 1 1 1 0 0.1 0.2 2", "25", *joints])


def write_ntu(root: Path, name: str, *bodies: Sequence[float | None]) -> Path:
    """A file whose bodies stand at these places, frame by frame; None: not there."""
    root.mkdir(parents=True, exist_ok=True)
    count = max(map(len, bodies), default=2)
    lines = [str(count)]
    for frame in range(count):
        here = [(str(72057594037 + n), at) for n, at in enumerate(bodies) if frame < len(at) and at[frame] is not None]
        lines += [str(len(here)), *(body(who, at, frame) for who, at in here)]  # type: ignore[arg-type]
    path = root / f"{name}.skeleton"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_ntu_is_split_by_the_published_list_of_subjects(tmp_path: Path) -> None:
    write_ntu(tmp_path / "nturgb+d_skeletons", "S001C001P001R001A001", [0, 1, 2])
    write_ntu(tmp_path / "nturgb+d_skeletons", "S001C001P003R001A060", [0, 1])
    write_ntu(tmp_path / "nturgb+d_skeletons", "S001C002P003R001A001", [0, 1])
    data = ntu(tmp_path)
    assert data.signature.classes == (NTU_ACTIONS[0], NTU_ACTIONS[59])
    train, test = data.load("train"), data.load("test")
    assert (train["y"].tolist(), train["group"].tolist()) == ([0], [1])
    assert (test["y"].tolist(), test["group"].tolist()) == ([1, 0], [3, 3])
    assert values(train)[0][2, 24].tolist() == [2, 24, 3]
    assert (len(NTU_ACTIONS), len(NTU_TRAINING), sum(subject <= 40 for subject in NTU_TRAINING)) == (60, 53, 20)
    with pytest.raises(UnknownSplitError, match="'val'"):
        data.load("val")


def test_of_two_bodies_the_one_that_moves_most_is_taken(tmp_path: Path) -> None:
    path = write_ntu(tmp_path, "S001C001P001R001A001", [5, 5, 5, 5], [0, 2, 4, 6])
    assert read_ntu(path)[:, 0, 0].tolist() == [0, 2, 4, 6]


def test_frames_without_the_body_are_interpolated_and_cut_off_at_the_ends(tmp_path: Path) -> None:
    path = write_ntu(tmp_path, "S001C001P001R001A001", [None, 1, None, None, 4, None])
    assert read_any(path)[:, 0, 0].tolist() == [1, 2, 3, 4]


def write_frames(path: Path, *frames: Sequence[tuple[str, float]]) -> Path:
    """A file of frames, each of bodies: number and place."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines += [str(len(bodies)), *(body(name, [place], 0) for name, place in bodies)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_body_whose_number_changes_keeps_its_frames(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.skeleton", *([(str(frame // 2), 0.1 * frame)] for frame in range(8)))
    assert read_ntu(path)[:, 0, 0].tolist() == pytest.approx([0.1 * frame for frame in range(8)])


def test_a_body_that_is_found_again_under_another_number_keeps_its_frames(tmp_path: Path) -> None:
    frames = [[("1", 0.0), ("9", 3.0)], [("1", 0.2), ("9", 3.0)], [("9", 3.0)], [("9", 3.0), ("2", 0.6)]]
    found = read_ntu(write_frames(tmp_path / "a.skeleton", *frames))[:, 0, 0]
    assert np.isnan(found[2])
    assert found[[0, 1, 3]].tolist() == pytest.approx([0.0, 0.2, 0.6])


def test_two_bodies_that_exchange_their_numbers_are_not_mixed(tmp_path: Path) -> None:
    frames = [[("1", 0.0), ("2", 2.0)], [("1", 0.1), ("2", 2.0)], [("1", 2.0), ("2", 0.2)], [("2", 0.3), ("1", 2.0)]]
    assert read_ntu(write_frames(tmp_path / "a.skeleton", *frames))[:, 0, 0].tolist() == pytest.approx(
        [0, 0.1, 0.2, 0.3]
    )


def test_a_new_body_far_away_is_another_one(tmp_path: Path) -> None:
    frames = [[("1", 0.0)], [("1", 0.3)], [("1", 0.6)], [("2", 5.0)]]
    found = read_ntu(write_frames(tmp_path / "a.skeleton", *frames))[:, 0, 0]
    assert found[:3].tolist() == pytest.approx([0.0, 0.3, 0.6])
    assert np.isnan(found[3])


def test_a_recording_without_bodies_is_left_out(tmp_path: Path) -> None:
    write_ntu(tmp_path, "S001C001P001R001A001", [0, 1])
    empty = write_ntu(tmp_path, "S001C001P001R001A002")
    loader = ntu(tmp_path)
    assert loader.load("train")["y"].tolist() == [0]
    assert left_out(loader) == {empty: "fewer than two frames with a body"}
    with pytest.raises(DamagedDataError, match="fewer than two frames with a body"):
        read_any(empty)


NTU_DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut in the middle of a frame": (cut(40), "line 40: the file ends after 8 of 25 joints: it is cut"),
    "cut after a frame": (cut(29), "line 29: the file ends where the number of bodies, its line is expected"),
    "cut in a line": (replaced(56, "1 24 3 0 0 0 0"), "line 56: 7 values, not 12"),
    "a wrong number of joints": (replaced(4, "20"), "line 4: a body of 20 joints, not 25"),
    "a number of joints that is none": (replaced(4, "-25"), "line 4: '-25' is not a number of joints"),
    "a wrong number of frames": (replaced(1, "1"), "line 30: the file goes on after the last frame"),
    "endless frames": (replaced(1, "9" * 30), "is not a number of frames"),
    "not a number": (replaced(6, "0 nan 3 0 0 0 0 0 0 0 0 2"), "line 6: a value is not a finite number"),
    "a word": (replaced(6, "0 x 3 0 0 0 0 0 0 0 0 2"), "line 6: a value is not a finite number"),
    "a body's line too short": (replaced(3, "72057594037 0 1"), "line 3: 3 values in a body's line, not 10"),
    "empty": (lambda path: path.write_text("\n"), "is empty"),
}


@pytest.mark.parametrize("damage", NTU_DAMAGED)
def test_a_damaged_ntu_file_is_an_error_that_names_the_line(tmp_path: Path, damage: str) -> None:
    do, words = NTU_DAMAGED[damage]
    path = write_ntu(tmp_path, "S001C001P001R001A001", [0, 1])
    do(path)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        read_ntu(path)
    assert str(path) in str(caught.value)


def test_ntu_refuses_unknown_actions_and_says_which_names_it_leaves_out(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="it must hold SsssCcccPpppRrrrAaaa"):
        ntu(tmp_path)
    strange = write_ntu(tmp_path, "mine", [0, 1])
    write_ntu(tmp_path, "S001C001P001R001A001", [0, 1])
    loader = ntu(tmp_path)
    assert loader.signature.outputs == 1
    assert list(left_out(loader)) == [strange]
    write_ntu(tmp_path, "S001C001P001R001A121", [0, 1])
    with pytest.raises(DamagedDataError, match="is of action 121"):
        ntu(tmp_path)


# OpenPifPaf


def person(x: float, confidence: float = 0.9, lost: Sequence[int] = ()) -> dict[str, Any]:
    """A person whose joint j is at (x, 10 j)."""
    joints = [[x, 10.0 * joint, 0.0 if joint in lost else confidence] for joint in range(17)]
    return {"keypoints": [value for joint in joints for value in joint], "score": confidence, "category_id": 1}


def write_lines(path: Path, *frames: tuple[int, list[dict[str, Any]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"frame": n, "predictions": people}) + "\n" for n, people in frames))
    return path


def write_folder(path: Path, *frames: list[dict[str, Any]]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number, people in enumerate(frames):
        (path / f"video.{number:05d}.png.predictions.json").write_text(json.dumps(people))
    return path


def test_a_folder_of_files_and_a_file_of_lines_give_the_same(tmp_path: Path) -> None:
    frames = [[person(0)], [], [person(4)]]
    folder = write_folder(tmp_path / "walk", *frames)
    lines = write_lines(tmp_path / "walk.jsonl", *enumerate(frames, 1))
    for path in (folder, lines):
        found = read_openpifpaf(path)
        assert found.shape == (3, 17, 2)
        assert np.isnan(found[1]).all()
        assert read_any(path)[:, 3].tolist() == [[0, 30], [2, 30], [4, 30]]


def moving(count: int = 24) -> list[list[dict[str, Any]]]:
    return [[person(10.0 * number)] for number in range(count)]


@pytest.mark.parametrize("form", ["frame{}.jpg.predictions.json", "{}.JSON", "f{:03d}.json", "v1_{}.Json"])
def test_frames_are_in_the_order_of_their_numbers_whatever_the_padding_and_case(tmp_path: Path, form: str) -> None:
    for number, people in enumerate(moving()):
        (tmp_path / form.format(number)).write_text(json.dumps(people, indent=number % 3))
    (tmp_path / "._7.json").write_bytes(b"\0\5\x16\7Mac OS X")
    (tmp_path / ".hidden.json").write_text("[]")
    assert read_openpifpaf(tmp_path)[:, 0, 0].tolist() == [10.0 * number for number in range(24)]


def test_files_of_upper_and_lower_case_are_all_read(tmp_path: Path) -> None:
    for number, people in enumerate(moving()):
        (tmp_path / f"{number}.{'JSON' if number % 2 else 'json'}").write_text(json.dumps(people))
    assert len(read_openpifpaf(tmp_path)) == 24
    (tmp_path / "01.json").write_text("[]")
    with pytest.raises(DamagedDataError, match=r"1\.(json|JSON) have the same frame number: remove one"):
        read_openpifpaf(tmp_path)


def test_two_frames_in_a_file_of_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("[]\n[]")
    with pytest.raises(DamagedDataError, match=r"1\.json line 2: a second frame"):
        read_openpifpaf(tmp_path)


def coco(image: Callable[[int], Any]) -> list[dict[str, Any]]:
    return [{**people[0], "image_id": image(number)} for number, people in enumerate(moving())]


PRETTY: dict[str, Any] = {
    "an array of frames": moving(),
    "an array of numbered frames": [{"frame": n, "predictions": people} for n, people in enumerate(moving())],
    "people with the number of their image": coco(int),
    "people in any order": coco(int)[::-1],
    "people with the name of their image": coco("frame{}.jpg".format)[::-1],
    "COCO": {"images": [], "annotations": coco(int)},
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("form", PRETTY)
def test_a_file_with_one_array_is_a_sequence(tmp_path: Path, form: str, indent: int | None) -> None:
    path = tmp_path / "walk.json"
    path.write_text(json.dumps(PRETTY[form], indent=indent))
    assert read_openpifpaf(path)[:, 0, 0].tolist() == [10.0 * number for number in range(24)]


def test_frames_over_several_lines_each_are_read_and_a_cut_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "walk.json"
    path.write_text("\n".join(json.dumps(people, indent=1) for people in moving(3)))
    assert read_openpifpaf(path)[:, 0, 0].tolist() == [0, 10, 20]
    lines = len(json.dumps(moving(1)[0], indent=1).splitlines())
    path.write_text(path.read_text()[:-9])
    with pytest.raises(DamagedDataError, match=rf"walk\.json line {2 * lines + 1}: is not JSON"):
        read_openpifpaf(path)


def test_json_in_utf16_says_to_save_it_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "walk.json"
    path.write_text(json.dumps(moving()), encoding="utf-16")
    with pytest.raises(DamagedDataError, match=r"walk\.json is not text in UTF-8: save it as UTF-8"):
        read_openpifpaf(path)


def test_frames_whose_numbers_are_left_out_are_lost(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.json", (7, [person(0)]), (10, [person(3)]))
    assert read_any(path)[:, 0, 0].tolist() == [0, 1, 2, 3]


def test_the_person_who_is_surest_at_first_is_followed(tmp_path: Path) -> None:
    frames = [[person(0, 0.5), person(100, 0.9)], [person(98, 0.3), person(2, 0.9)], [person(3)], [person(95)]]
    path = write_folder(tmp_path / "two", *frames)
    assert read_openpifpaf(path)[:2, 0, 0].tolist() == [100, 98]


def test_a_joint_that_was_not_seen_is_interpolated_or_put_amid_the_others(tmp_path: Path) -> None:
    frames = [[person(0, lost=[16])], [person(2, lost=[4, 16])], [person(4, lost=[16])]]
    found = read_any(write_folder(tmp_path / "hidden", *frames))
    assert found[1, 4].tolist() == [2, 40]
    assert found[1, 16].tolist() == [2, sum(range(0, 160, 10)) / 16]


def write_pifpaf(root: Path) -> Path:
    moving = [[person(0)], [person(1)], [person(2)]]
    for split in ("train", "test"):
        write_folder(root / split / "walk" / f"p07_{split}", *moving)
        write_folder(root / split / "walk" / "garden", *moving)
        write_lines(root / split / "run" / "Person2 fast.json", *enumerate(moving))
    return root


def test_the_folders_tell_split_and_action_and_names_the_person(tmp_path: Path) -> None:
    data = pifpaf(write_pifpaf(tmp_path / "mine").parent)
    assert data.signature.classes == ("run", "walk")
    train, test = data.load("train"), data.load("test")
    assert train["y"].tolist() == test["y"].tolist() == [0, 1, 1]
    assert train["group"].tolist() == [4, -2, 14]
    assert test["group"].tolist() == [5, -2, 15]
    with pytest.raises(UnknownSplitError, match="'val'"):
        data.load("val")


def written(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text)


PIFPAF_DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut": (lambda path: path.write_text(path.read_text()[:-40]), "line 2: is not JSON"),
    "a wrong number of joints": (written(json.dumps([{"keypoints": [0.0] * 75}])), "a person of 75 numbers, not 17"),
    "an object of something else": (written('{"a": 1}'), "line 1: is neither a list of annotations nor"),
    "a list of something else": (written("[1, 2]"), "an annotation has no list `keypoints`"),
    "a number of a frame that is none": (written('{"frame": "x", "predictions": []}'), "is neither a list"),
    "not a number": (written(json.dumps([{"keypoints": [float("nan")] * 51}])), "a keypoint is not a finite number"),
    "a huge number": (written('[{"keypoints": [1e400' + ", 0" * 50 + "]}]"), "a keypoint is not a finite number"),
    "a truth value": (written('[{"keypoints": [true' + ", 0" * 50 + "]}]"), "a keypoint is not a finite number"),
    "deep brackets": (written("[" * 100_000), "line 1: is not JSON"),
    "a frame twice": (written('{"frame": 3, "predictions": []}\n' * 2), "line 2: frame 3 exists twice"),
    "far numbers": (
        written('{"frame": 0, "predictions": []}\n{"frame": 99999999, "predictions": []}'),
        "frames numbered from 0 to 99999999",
    ),
    "empty": (written(""), "is empty"),
}


@pytest.mark.parametrize("damage", PIFPAF_DAMAGED)
def test_a_damaged_json_is_an_error_that_names_the_line(tmp_path: Path, damage: str) -> None:
    do, words = PIFPAF_DAMAGED[damage]
    path = write_lines(tmp_path / "walk.json", (0, [person(0)]), (1, [person(1)]))
    do(path)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        read_openpifpaf(path)
    assert str(path) in str(caught.value)


def test_json_without_people_is_left_out_with_a_reason(tmp_path: Path) -> None:
    root = write_pifpaf(tmp_path)
    nobody = write_folder(root / "train" / "run" / "nobody", [], [], [])
    loader = pifpaf(root)
    assert loader.load("train")["y"].tolist() == [0, 1, 1]
    assert left_out(loader) == {nobody: "fewer than two frames with a body"}


def test_a_folder_validation_of_sequences_is_val(tmp_path: Path) -> None:
    root = write_pifpaf(tmp_path)
    with pytest.raises(UnknownSplitError, match="no split 'val', only test, train"):
        pifpaf(root).load("val")
    write_folder(root / "validation" / "run" / "p01", [person(0)], [person(1)])
    columns = pifpaf(root).load("val")
    assert columns["y"].tolist() == [0]
    assert not set(columns["group"]) & {*pifpaf(root).load("train")["group"], *pifpaf(root).load("test")["group"]}


def test_openpifpaf_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="holds no folder 'train'"):
        pifpaf(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(DataUnavailableError, match="holds no folder 'test'; it needs, in train/ and test/"):
        pifpaf(tmp_path)
    (tmp_path / "test").mkdir()
    with pytest.raises(DataUnavailableError, match="is empty; it needs, in train/ and test/, a folder for each action"):
        pifpaf(tmp_path)
    (tmp_path / "train" / "walk").mkdir()
    with pytest.raises(DataUnavailableError, match="walk is empty: fill or remove it"):
        pifpaf(tmp_path).load("train")
    (tmp_path / "train" / "walk" / "one").mkdir()
    with pytest.raises(DataUnavailableError, match="one holds no frames"):
        pifpaf(tmp_path).load("train")
    write_pifpaf(tmp_path)
    write_folder(tmp_path / "test" / "fly" / "one", [person(0)], [person(1)])
    with pytest.raises(DamagedDataError, match="fly is an action that train does not have"):
        pifpaf(tmp_path).load("test")


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_msr(tmp_path)

    def refuse(place: Path, *_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(os, "open", refuse)  # root may read all files, so modes would not do
    with pytest.raises(ZooError, match=re.escape(f"{path} may not be read: change its permissions")):
        msr(tmp_path).load("train")


# Sequences


def test_filled_gaps_hold_a_joint_still_before_its_first_and_after_its_last_frame() -> None:
    frames = np.zeros((4, 2, 1), np.float32)
    frames[:, 1, 0] = [np.nan, 5, 7, np.nan]
    found = fill_gaps(frames)
    assert found is not None
    assert found[:, 1, 0].tolist() == [5, 5, 7, 7]
    assert fill_gaps(np.full((3, 2, 1), np.nan)) is None


def test_resampling_keeps_both_ends_and_goes_straight_between() -> None:
    assert resample(np.array([0.0, 1.0, 3.0]), 5).tolist() == [0, 0.5, 1, 2, 3]
    assert resample(np.array([[2.0]]), 3).tolist() == [[2], [2], [2]]


def test_normalized_bodies_do_not_depend_on_place_and_size() -> None:
    sequence = np.random.default_rng(0).normal(size=(9, 20, 3)).astype(np.float32)
    found = normalize(sequence, [6], 12)
    assert found.shape == (12, 20, 3)
    assert np.allclose(normalize(sequence * 3 + [1, -2, 5], [6], 12), found, atol=1e-5)
    whole = normalize(sequence, [6], 9)
    assert np.allclose(whole[:, 6].mean(axis=0), 0, atol=1e-6)
    distances = ((whole - whole[:, 6:7]) ** 2).sum(axis=2)
    assert np.isclose(np.sqrt(distances.mean()), 1, atol=1e-5)


@pytest.mark.parametrize("skeleton", [KINECT_20, KINECT_25, COCO_17])
def test_a_skeletons_bones_join_all_joints_and_its_mirror_exchanges_left_and_right(skeleton: dict[str, Any]) -> None:
    names, mirror = skeleton["joints"], skeleton["mirror"]
    reached = {skeleton["root"][0]}
    for _ in names:
        reached |= {joint for bone in skeleton["bones"] if reached & set(bone) for joint in bone}
    assert reached == set(range(len(names)))
    exchanged = {"left": "right", "right": "left"}
    for joint, name in enumerate(names):
        side, _, rest = name.partition(" ")
        assert names[mirror[joint]] == (f"{exchanged[side]} {rest}" if side in exchanged else name)
