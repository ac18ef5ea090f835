"""The data sets: folders of MSR Action3D, of NTU RGB+D and of OpenPifPaf's JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array, Column
from zoo_core.data.images import find_splits
from zoo_core.data.names import composed, natural_key
from zoo_core.data.walk import folders, list_folder, walk
from zoo_pose.formats import read_msr, read_ntu, read_openpifpaf
from zoo_pose.sequences import fill_gaps, to_ragged
from zoo_pose.skeletons import COCO_17, KINECT_20, KINECT_25, skeleton_extra

MSR_ACTIONS = (
    *("high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x"),
    *("draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick"),
    *("jogging", "tennis swing", "tennis serve", "golf swing", "pick up and throw"),
)
MSR_CHANCE_ERROR = 0.16  # joint error on test, if the prediction is each joint's mean position over the past second
MSR_NAME = re.compile(r"a([0-9]{2})_s([0-9]{2})_e[0-9]{2}_skeleton3D\.txt", re.IGNORECASE)
MSR_NEEDS = "it must hold aAA_sSS_eEE_skeleton3D.txt, at any depth"

NTU_ACTIONS = (
    *("drink", "eat", "brush teeth", "brush hair", "drop", "pick up", "throw", "sit down", "stand up", "clap", "read"),
    *("write", "tear paper", "put on jacket", "take off jacket", "put on shoe", "take off shoe", "put on glasses"),
    *("take off glasses", "put on hat", "take off hat", "cheer", "wave", "kick something", "reach into pocket", "hop"),
    *("jump", "phone call", "play with phone", "type", "point", "take selfie", "check watch", "rub hands", "nod"),
    *("shake head", "wipe face", "salute", "put palms together", "cross hands", "sneeze or cough", "stagger", "fall"),
    *("headache", "chest pain", "back pain", "neck pain", "nausea", "fan self", "punch someone", "kick someone"),
    *("push someone", "pat someone's back", "point at someone", "hug", "give something", "touch someone's pocket"),
    *("shake hands", "walk towards", "walk apart"),
)
NTU_NAME = re.compile(r"S[0-9]{3}C[0-9]{3}P([0-9]{3})R[0-9]{3}A([0-9]{3})\.skeleton", re.IGNORECASE)
NTU_NEEDS = "it must hold SsssCcccPpppRrrrAaaa.skeleton, at any depth"
MAX_NTU_ACTION = 120
# The cross-subject protocol: Shahroudy et al. 2016, and Liu et al. 2019 for subjects over 40.
NTU_TRAINING = frozenset(
    (
        *(1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38),
        *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92),
        *(93, 94, 95, 97, 98, 100, 103),
    )
)

PIFPAF_NEEDS = "it needs, in train/ and test/, a folder for each action: in it a folder or a file of JSON a sequence"
PIFPAF_FPS = 30  # an assumption: the files do not contain it
PIFPAF_ENDS = (".json", ".jsonl")
VAL_PERSONS = 10_000_000  # is added to the numbers of val's people; those of the others are smaller
PERSON = re.compile(r"(?:^|[^a-z])(?:p|s|person|subject)[-_ ]?([0-9]{1,6})(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recording:
    """The file of one sequence, its class and its person."""

    path: Path
    label: int
    person: int


class MsrAction3d:
    """MSR Action3D: odd subjects are train, even ones test. 15 frames per second.

    Lost frames, whose joints are all zero, are removed at both ends of a sequence and interpolated inside it.
    Shapes and units:
        x: ragged float32 (n; frames, 20, 3), metres, second axis upwards; y: int64 (n,); group: int64 (n,), the
        subject.
    Raises:
        DataUnavailableError: there are no such files, or none for a split.
        DamagedDataError: a file cannot be read, exists twice, or has an unknown action.
    """

    signature = Signature(
        input_shape=(None, 20, 3),
        outputs=len(MSR_ACTIONS),
        classes=MSR_ACTIONS,
        extra=skeleton_extra(KINECT_20, fps=15, unit="m", joint_error=MSR_CHANCE_ERROR),
    )

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._root = ctx, ctx.folder()

    def load(self, split: str) -> dict[str, Column]:
        wanted = {"train": 1, "test": 0}
        if split not in wanted:
            raise UnknownSplitError(f"MSR Action3D has no split {split!r}, only train and test")
        found = find_recordings(self._ctx, "_skeleton3D.txt", MSR_NAME, MSR_NEEDS)
        recordings = []
        for path, (action, subject) in found:
            if not 1 <= action <= len(MSR_ACTIONS):
                raise DamagedDataError(f"{path} is of action {action}, not one of 1 to {len(MSR_ACTIONS)}: remove it")
            if subject % 2 == wanted[split]:
                recordings.append(Recording(path, action - 1, subject))
        none_left = f"{self._root} holds no recordings of {split}: {MSR_NEEDS}"
        return load_recordings(self._ctx, recordings, read_msr, none_left)


class NtuRgbd:
    """NTU RGB+D, with the published list of training subjects (cross-subject protocol). 30 frames per second.

    Of several bodies in a recording, the one that moves most is used. A recording without a body is left out. The
    classes are the actions that the files contain.
    Shapes and units:
        x: ragged float32 (n; frames, 25, 3), metres, second axis upwards; y: int64 (n,); group: int64 (n,), the
        subject.
    Raises: as `MsrAction3d`.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._root = ctx, ctx.folder()
        self._found = [(path, (action, subject)) for path, (subject, action) in self._files()]
        self._actions = sorted({action for _, (action, _) in self._found})
        names = tuple(NTU_ACTIONS[n - 1] if n <= len(NTU_ACTIONS) else f"action {n}" for n in self._actions)
        extra = skeleton_extra(KINECT_25, fps=30, unit="m")
        self.signature = Signature(input_shape=(None, 25, 3), outputs=len(names), classes=names, extra=extra)

    def load(self, split: str) -> dict[str, Column]:
        if split not in ("train", "test"):
            raise UnknownSplitError(f"NTU RGB+D has no split {split!r}, only train and test")
        recordings = [
            Recording(path, self._actions.index(action), subject)
            for path, (action, subject) in self._found
            if (subject in NTU_TRAINING) == (split == "train")
        ]
        none_left = f"{self._root} holds no recordings of {split} subjects: {NTU_NEEDS}"
        return load_recordings(self._ctx, recordings, read_ntu, none_left)

    def _files(self) -> list[tuple[Path, tuple[int, int]]]:
        found = find_recordings(self._ctx, ".skeleton", NTU_NAME, NTU_NEEDS)
        for path, (_, action) in found:
            if not 1 <= action <= MAX_NTU_ACTION:
                raise DamagedDataError(f"{path} is of action {action}, not one of 1 to {MAX_NTU_ACTION}: remove it")
        return found


class OpenPifPaf:
    """Joints that OpenPifPaf found in videos; the classes are the names of the folders, sorted.

    Frames without people are removed at both ends of a sequence and interpolated inside it. A sequence without people
    is left out. A folder `val`, `valid` or `validation` is val.
    Shapes and units:
        x: ragged float32 (n; frames, 17, 2), pixels, second axis downwards; y: int64 (n,); group: int64 (n,), the
        person's number in a name such as `p03_walk`, or a number of its own for each sequence without one.
    Raises:
        DataUnavailableError: a folder is missing or empty.
        DamagedDataError: a file cannot be read, or test has an action that train does not have.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._root = ctx, ctx.folder()
        self._splits = find_splits(self._root, PIFPAF_NEEDS)
        classes = tuple(composed(inside.name) for inside in folders(self._splits["train"]))
        if not classes:
            raise DataUnavailableError(f"{self._splits['train']} is empty; {PIFPAF_NEEDS}")
        extra = skeleton_extra(COCO_17, fps=PIFPAF_FPS, unit="px")
        self.signature = Signature(input_shape=(None, 17, 2), outputs=len(classes), classes=classes, extra=extra)

    def load(self, split: str) -> dict[str, Column]:
        if split not in self._splits:
            raise UnknownSplitError(f"the sequences have no split {split!r}, only {', '.join(self._splits)}")
        recordings: list[Recording] = []
        for folder in folders(self._splits[split]):
            name = composed(folder.name)
            if name not in self.signature.classes:
                raise DamagedDataError(f"{folder} is an action that train does not have: remove it, or add it to train")
            label, paths = self.signature.classes.index(name), _find_sequences(folder)
            recordings += [Recording(path, label, _person_number(path, split)) for path in paths]
        none_left = f"{self._root} holds no sequences of {split}; {PIFPAF_NEEDS}"
        columns = load_recordings(self._ctx, recordings, read_openpifpaf, none_left)
        group = np.asarray(columns["group"])
        group = np.where(group < 0, -1 - np.arange(len(group)), group)
        return {**columns, "group": group}


def _find_sequences(folder: Path) -> list[Path]:
    listing = list_folder(folder)
    found = [*listing.folders, *(path for path in listing.files if path.suffix.lower() in PIFPAF_ENDS)]
    found.sort(key=lambda path: (natural_key(path.name), path.name))
    if not found:
        raise DataUnavailableError(f"{folder} is empty: fill or remove it; {PIFPAF_NEEDS}")
    return found


def _person_number(path: Path, split: str) -> int:
    """Return the person's number in a file name, distinct between the splits; -1 if the name has none."""
    found = PERSON.search(path.name)
    return int(found[1]) * 2 + {"train": 0, "test": 1, "val": VAL_PERSONS}[split] if found else -1


def find_recordings(ctx: Context, ending: str, name: re.Pattern[str], needs: str) -> list[tuple[Path, tuple[int, int]]]:
    """List the files of the data whose names match `name`, sorted by name, with the two numbers in each name.

    Files with the same ending and another name are left out. Raises DataUnavailableError if there are none or a folder
    may not be read, DamagedDataError if two files have the same name.
    """
    root, files = ctx.folder(), dict[str, Path]()
    for path in (root / below for below in walk(root).files):
        if not path.name.lower().endswith(ending.lower()):
            continue
        if name.fullmatch(path.name) is None:
            ctx.leave_out(path, f"its name gives neither action nor subject: {needs}")
        elif not files.setdefault(path.name.lower(), path).samefile(path):
            raise DamagedDataError(f"{files[path.name.lower()]} and {path} both exist: remove one")
    if not files:
        raise DataUnavailableError(f"{root} holds no recordings; {needs}")
    found = []
    for key in sorted(files):
        match = name.fullmatch(key)
        assert match is not None
        found.append((files[key], (int(match[1]), int(match[2]))))
    return found


def load_recordings(
    ctx: Context, recordings: Sequence[Recording], reader: Callable[[Path], Array], none_left: str
) -> dict[str, Column]:
    """Read recordings as columns x, y and group, with gaps filled; leave out those without a body.

    Raises DataUnavailableError with the message `none_left` if no recording remains, and what the reader raises.
    """
    sequences, kept = [], []
    for recording in recordings:
        frames = fill_gaps(reader(recording.path))
        if frames is None:
            ctx.leave_out(recording.path, "fewer than two frames with a body")
            continue
        sequences.append(frames)
        kept.append(recording)
    if not kept:
        raise DataUnavailableError(none_left)
    return {
        "x": to_ragged(sequences),
        "y": np.array([recording.label for recording in kept], np.int64),
        "group": np.array([recording.person for recording in kept], np.int64),
    }


def read_any(path: Path) -> Array:
    """Read a local file of any of the three formats, with gaps filled: float32 (frames, joints, axes).

    The suffix of the name gives the format. Raises DamagedDataError, also for a file without a body.
    """
    readers: dict[str, Callable[[Path], Array]] = {".txt": read_msr, ".skeleton": read_ntu}
    frames = fill_gaps(readers.get(path.suffix.lower(), read_openpifpaf)(path))
    if frames is None:
        raise DamagedDataError(f"{path} has fewer than two frames with a body")
    return frames
