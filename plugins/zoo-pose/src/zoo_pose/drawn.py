"""Stick figures: a body of Kinect's twenty joints does one of twelve actions, before a camera that is not quite still.

An action is a few key places of hands, feet and trunk that the limbs follow; people differ in their bodies, speed,
reach and side, recordings in the camera's angle, the pauses and the noise. Drawn from a seed: everywhere the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array, Column
from zoo_pose.sequences import ragged
from zoo_pose.skeletons import KINECT_20, described

FPS = 15
GUESS = 0.087  # joint error on test of the mean place over the past second
Keys = Mapping[str, Sequence[Sequence[float]]]

# Key places, evenly spaced in time, of the right (R) or left (L) hand and foot, in lengths of the limb from shoulder or
# hip: x to the body's left, y up, z to the front. `lean`: of the trunk to the front and to the left, radians; `drop`:
# of the hip, in lengths of the leg. All begin and end at rest.
ACTIONS: dict[str, Keys] = {
    "high wave": {"R": [(0, 0.85, 0.2), (0.35, 0.8, 0.2), (-0.35, 0.8, 0.2), (0.35, 0.8, 0.2), (-0.35, 0.8, 0.2)]},
    "wave across": {"R": [(0, 0, 0.9), (0.55, 0, 0.6), (-0.5, 0, 0.7), (0.55, 0, 0.6), (-0.5, 0, 0.7)]},
    "draw circle": {"R": [(0, 0.5, 0.8), (-0.4, 0.1, 0.8), (0, -0.3, 0.8), (0.4, 0.1, 0.8), (0, 0.5, 0.8)]},
    "draw cross": {"R": [(-0.4, 0.5, 0.7), (0.4, -0.3, 0.7), (0.4, 0.5, 0.7), (-0.4, -0.3, 0.7)]},
    "punch": {"R": [(0.1, -0.15, 0.3), (0.15, 0.05, 0.98), (0.1, -0.15, 0.3)], "lean": [(0, 0), (0.15, 0), (0, 0)]},
    "throw": {
        "R": [(-0.3, 0.4, -0.4), (0, 0.75, 0.1), (0.2, 0.2, 0.9), (0.3, -0.6, 0.4)],
        "lean": [(-0.15, 0), (0, 0), (0.25, 0), (0.1, 0)],
    },
    "clap": {
        "R": [(0.35, 0, 0.7), (-0.2, 0, 0.8), (0.35, 0, 0.7), (-0.2, 0, 0.8), (0.35, 0, 0.7)],
        "L": [(-0.35, 0, 0.7), (0.2, 0, 0.8), (-0.35, 0, 0.7), (0.2, 0, 0.8), (-0.35, 0, 0.7)],
    },
    "both hands up": {"R": [(-0.2, 0.2, 0.5), (-0.15, 0.95, 0.1)], "L": [(0.2, 0.2, 0.5), (0.15, 0.95, 0.1)]},
    "bend": {"lean": [(0.5, 0), (1.2, 0), (0.6, 0)], "R": [(0, -0.7, 0.5)] * 3, "L": [(0, -0.7, 0.5)] * 3},
    "squat": {"drop": [(0.25,), (0.45,), (0.25,)], "R": [(0, -0.2, 0.9)] * 3, "L": [(0, -0.2, 0.9)] * 3},
    "kick": {"r": [(0, -0.8, -0.35), (0, -0.5, 0.8), (0, -0.9, 0.1)], "lean": [(0.1, 0), (-0.2, 0), (0, 0)]},
    "side kick": {"r": [(-0.2, -0.75, 0.1), (-0.8, -0.55, 0.1), (-0.2, -0.9, 0)], "lean": [(0, 0.1), (0, 0.3), (0, 0)]},
}
CLASSES = tuple(ACTIONS)
REST = {
    "R": (-0.08, -0.96, 0.06),
    "L": (0.08, -0.96, 0.06),
    "r": (0.0, -1.0, 0.0),
    "l": (0.0, -1.0, 0.0),
    "lean": (0.0, 0.0),
    "drop": (0.0,),
}
# What a left-handed person does: with the other limb, and to the other side.
OTHER = {"R": "L", "L": "R", "r": "l", "l": "r"}
MIRROR = {"lean": np.array([1.0, -1.0]), "drop": np.array([1.0])}

PEOPLE = {"train": 12, "test": 5}
TAKES = 2  # of each action and person
PERSONS_OF_TEST = 1000  # where their numbers begin, which are seeds
LEFT_HANDED = 0.2  # share of people
LIMB_SPREAD, SPREAD = 0.1, 0.05  # deviation of key places, of limbs in their lengths
LIMB_BEND = 0.97  # most that a limb is straight


class StickFigures:
    """Moving stick figures: x ragged float32 (n; frames, 20, 3), metres, y upwards, 15 frames a second; y int64 (n,);
    group int64 (n,), the person. Every class has equally many sequences; no person is in two splits.
    """

    signature = Signature(
        input_shape=(None, 20, 3),
        outputs=len(CLASSES),
        classes=CLASSES,
        extra=described(KINECT_20, fps=FPS, unit="m", joint_error=GUESS),
    )
    people = PEOPLE

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Column]:
        if split not in self.people:
            raise UnknownSplitError(f"the stick figures have no split {split!r}, only {' and '.join(self.people)}")
        first = PERSONS_OF_TEST if split == "test" else 0
        sequences, labels, group = [], [], []
        for person in range(first, first + self.people[split]):
            rng = np.random.default_rng(person)
            body = Body(rng)
            for label, keys in enumerate(ACTIONS.values()):
                for _ in range(TAKES):
                    sequences.append(body.act(keys, rng))
                    labels.append(label)
                    group.append(person)
        return {"x": ragged(sequences), "y": np.array(labels, np.int64), "group": np.array(group, np.int64)}


class Body:
    """A person: lengths of the limbs, in metres, and habits."""

    def __init__(self, rng: np.random.Generator) -> None:
        tall = rng.uniform(0.85, 1.1)
        self.arm, self.leg, self.trunk = tall * np.array([0.56, 0.86, 0.5]) * rng.uniform(0.93, 1.07, 3)
        self.shoulders, self.hips = tall * np.array([0.18, 0.1]) * rng.uniform(0.9, 1.1, 2)
        self.reach, self.pace = rng.uniform(0.75, 1.05), rng.uniform(0.8, 1.3)
        self.left_handed = rng.uniform() < LEFT_HANDED

    def act(self, keys: Keys, rng: np.random.Generator) -> Array:
        """A recording of one action: float32 (frames, 20, 3)."""
        count = 2 + max(len(places) for places in keys.values())
        frames = int(np.clip(round(FPS * 0.36 * count / self.pace * rng.uniform(0.85, 1.2)), 22, 60))
        time = _times(frames, rng)
        paths = {part: _path(rest, (), time, rng, 0.0) for part, rest in REST.items()}
        for part, places in keys.items():
            limb_moved, mirror = part, np.array(1.0)
            if self.left_handed:
                limb_moved, mirror = OTHER.get(part, part), MIRROR.get(part, np.array([-1.0, 1.0, 1.0]))
            rest = np.array(REST[limb_moved])
            reached = [rest + (np.array(place) * mirror - rest) * self.reach for place in places]
            paths[limb_moved] = _path(REST[limb_moved], reached, time, rng, LIMB_SPREAD if part in OTHER else SPREAD)
        return self._seen(self._joints(paths), rng)

    def _joints(self, paths: Mapping[str, Array]) -> Array:
        """The joints of a body that faces the camera: (frames, 20, 3); x to its left."""
        drop, lean = paths["drop"][:, 0], paths["lean"]
        hip = np.stack([0 * drop, self.leg * (1 - drop), 0 * drop], axis=1)
        upwards = np.stack([np.sin(lean[:, 1]), np.cos(lean[:, 0]) * np.cos(lean[:, 1]), np.sin(lean[:, 0])], axis=1)
        neck = hip + upwards * self.trunk
        places = {"hip": hip, "spine": hip + upwards * self.trunk * 0.35, "neck": neck}
        places["head"] = neck + upwards * 0.42 * self.trunk
        for side, hand, foot, sign in (("left", "L", "l", 1.0), ("right", "R", "r", -1.0)):
            shoulder = neck + np.array([sign * self.shoulders, -0.06, 0.0])
            places[f"{side} shoulder"] = shoulder
            elbow, wrist = limb(
                shoulder, shoulder + paths[hand] * self.arm, self.arm, np.array([sign * 0.5, -0.6, -0.6])
            )
            places |= {f"{side} elbow": elbow, f"{side} wrist": wrist}
            places[f"{side} hand"] = wrist + (wrist - elbow) * 0.28
            side_of_hip = hip + np.array([sign * self.hips, -0.04, 0.0])
            sole = paths[foot] * self.leg
            sole[:, 1] += self.leg * drop  # the feet stay on the ground
            knee, ankle = limb(side_of_hip, side_of_hip + sole, self.leg, np.array([0.0, 0.2, 1.0]))
            places |= {f"{side} hip": side_of_hip, f"{side} knee": knee, f"{side} ankle": ankle}
            places[f"{side} foot"] = ankle + np.array([0.0, -0.04, 0.12])
        return np.stack([places[name] for name in KINECT_20["joints"]], axis=1)

    def _seen(self, joints: Array, rng: np.random.Generator) -> Array:
        """From the camera: turned, swaying, somewhere before it, with noise; rounded, for machines' last bits."""
        angle = rng.uniform(-0.7, 0.7) + np.linspace(0, rng.uniform(-0.15, 0.15), len(joints))
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
        turned = np.stack([-(x * cosine + z * sine), y, -(z * cosine - x * sine)], axis=2)
        sway = rng.normal(0, 0.006, (len(joints), 1, 3)).cumsum(axis=0)
        place = rng.uniform([-0.4, -1.1, 2.2], [0.4, -0.8, 3.2])
        seen: Array = turned + sway + place + rng.normal(0, 0.018, joints.shape)
        return seen.round(4).astype(np.float32)


def limb(begin: Array, end: Array, length: float, towards: Array) -> tuple[Array, Array]:
    """Middle and end of a limb of two equal parts that reaches for `end`, (frames, 3) each; it bends `towards`."""
    reach = end - begin
    distance = np.maximum(np.linalg.norm(reach, axis=1, keepdims=True), 1e-6)
    reached = np.minimum(distance, length * LIMB_BEND)
    along = reach / distance
    aside = towards - (towards * along).sum(axis=1, keepdims=True) * along
    aside = aside / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    bend = np.sqrt(np.maximum(length**2 - reached**2, 0)) / 2
    return begin + along * reached / 2 + aside * bend, begin + along * reached


def _times(frames: int, rng: np.random.Generator) -> Array:
    """Shares of the action done at each frame, in [0, 1]: a pause, then faster here and slower there, a pause."""
    pauses = rng.uniform(0, 0.15, 2)
    pace = np.interp(np.linspace(0, 1, frames), np.linspace(0, 1, 4), rng.uniform(0.6, 1.4, 4)).cumsum()
    done = (pace - pace[0]) / (pace[-1] - pace[0])
    shares: Array = np.clip((done - pauses[0]) / (1 - pauses.sum()), 0, 1)
    return shares


def _path(
    rest: Sequence[float], places: Sequence[Array], time: Array, rng: np.random.Generator, spread: float
) -> Array:
    """From rest through the places and back, smoothly, missing each a little: (frames, axes)."""
    keys = np.array([rest, *places, rest], dtype=np.float64)
    keys[1:-1] += rng.normal(0, 1, keys[1:-1].shape) * spread
    at = time * (len(keys) - 1)
    before = np.minimum(at.astype(int), len(keys) - 2)
    share = (1 - np.cos(np.pi * (at - before)))[:, None] / 2
    path: Array = keys[before] * (1 - share) + keys[before + 1] * share
    return path
