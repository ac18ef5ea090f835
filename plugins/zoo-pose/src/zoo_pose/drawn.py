"""Stick figures: a body of Kinect's twenty joints does one of twelve actions in front of a slightly moving camera.

An action is a list of key positions of hands, feet and trunk, which the limbs follow. People differ in body, speed,
reach and handedness; recordings differ in the camera's angle, the pauses and the noise. Everything is drawn from fixed
seeds, so the data are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array, Column
from zoo_pose.sequences import to_ragged
from zoo_pose.skeletons import KINECT_20, skeleton_extra

FPS = 15
CHANCE_ERROR = 0.087  # joint error on test, if the prediction is each joint's mean position over the past second
Keys = Mapping[str, Sequence[Sequence[float]]]

# Key positions, evenly spaced in time. R and L are the right and left hand, r and l the feet: relative to shoulder or
# hip, in lengths of the limb, x to the body's left, y up, z to the front. `lean`: angle of the trunk to the front and
# to the left, radians. `drop`: how far the hip sinks, in lengths of the leg. All actions begin and end at rest.
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
# A left-handed person uses the other limb and moves to the other side.
OTHER = {"R": "L", "L": "R", "r": "l", "l": "r"}
MIRROR = {"lean": np.array([1.0, -1.0]), "drop": np.array([1.0])}

PEOPLE = {"train": 12, "test": 5}
TAKES = 2  # recordings of each action by each person
FIRST_TEST_PERSON = 1000  # the lowest number of a person in test; a person's number is also the seed
LEFT_HANDED = 0.2  # share of people
LIMB_STD, TRUNK_STD = 0.1, 0.05  # of the random offset of key positions; of limbs in lengths of the limb
MAX_STRETCH = 0.97  # of a limb, as a share of its length: a limb is never quite straight


class StickFigures:
    """Moving stick figures at 15 frames per second; every class has equally many sequences.

    Shapes and units:
        x: ragged float32 (n; frames, 20, 3), metres, second axis upwards; y: int64 (n,); group: int64 (n,), the
        person. No person is in two splits.
    """

    signature = Signature(
        input_shape=(None, 20, 3),
        outputs=len(CLASSES),
        classes=CLASSES,
        extra=skeleton_extra(KINECT_20, fps=FPS, unit="m", joint_error=CHANCE_ERROR),
    )
    people = PEOPLE

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Column]:
        if split not in self.people:
            raise UnknownSplitError(f"the stick figures have no split {split!r}, only {' and '.join(self.people)}")
        first = FIRST_TEST_PERSON if split == "test" else 0
        sequences, labels, group = [], [], []
        for person in range(first, first + self.people[split]):
            rng = np.random.default_rng(person)
            body = Body(rng)
            for label, keys in enumerate(ACTIONS.values()):
                for _ in range(TAKES):
                    sequences.append(body.act(keys, rng))
                    labels.append(label)
                    group.append(person)
        return {"x": to_ragged(sequences), "y": np.array(labels, np.int64), "group": np.array(group, np.int64)}


class Body:
    """A person: lengths of the limbs in metres, speed, reach and handedness."""

    def __init__(self, rng: np.random.Generator) -> None:
        tall = rng.uniform(0.85, 1.1)
        self.arm, self.leg, self.trunk = tall * np.array([0.56, 0.86, 0.5]) * rng.uniform(0.93, 1.07, 3)
        self.shoulders, self.hips = tall * np.array([0.18, 0.1]) * rng.uniform(0.9, 1.1, 2)
        self.reach, self.pace = rng.uniform(0.75, 1.05), rng.uniform(0.8, 1.3)
        self.left_handed = rng.uniform() < LEFT_HANDED

    def act(self, keys: Keys, rng: np.random.Generator) -> Array:
        """Record one action: float32 (frames, 20, 3)."""
        count = 2 + max(len(places) for places in keys.values())
        frames = int(np.clip(round(FPS * 0.36 * count / self.pace * rng.uniform(0.85, 1.2)), 22, 60))
        time = _progress(frames, rng)
        paths = {part: _smooth_path(rest, (), time, rng, 0.0) for part, rest in REST.items()}
        for part, places in keys.items():
            limb_moved, mirror = part, np.array(1.0)
            if self.left_handed:
                limb_moved, mirror = OTHER.get(part, part), MIRROR.get(part, np.array([-1.0, 1.0, 1.0]))
            rest = np.array(REST[limb_moved])
            reached = [rest + (np.array(place) * mirror - rest) * self.reach for place in places]
            paths[limb_moved] = _smooth_path(
                REST[limb_moved], reached, time, rng, LIMB_STD if part in OTHER else TRUNK_STD
            )
        return self._recorded(self._joints(paths), rng)

    def _joints(self, paths: Mapping[str, Array]) -> Array:
        """Compute the joints of a body that faces the camera: (frames, 20, 3), x to its left."""
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

    def _recorded(self, joints: Array, rng: np.random.Generator) -> Array:
        """Transform joints to the camera's view, with sway and noise; rounded, since last bits differ by machine."""
        angle = rng.uniform(-0.7, 0.7) + np.linspace(0, rng.uniform(-0.15, 0.15), len(joints))
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
        turned = np.stack([-(x * cosine + z * sine), y, -(z * cosine - x * sine)], axis=2)
        sway = rng.normal(0, 0.006, (len(joints), 1, 3)).cumsum(axis=0)
        place = rng.uniform([-0.4, -1.1, 2.2], [0.4, -0.8, 3.2])
        seen: Array = turned + sway + place + rng.normal(0, 0.018, joints.shape)
        return seen.round(4).astype(np.float32)


def limb(begin: Array, end: Array, length: float, towards: Array) -> tuple[Array, Array]:
    """Return middle and end, (frames, 3) each, of a limb of two equal parts; it reaches for `end`, bends `towards`."""
    reach = end - begin
    distance = np.maximum(np.linalg.norm(reach, axis=1, keepdims=True), 1e-6)
    reached = np.minimum(distance, length * MAX_STRETCH)
    along = reach / distance
    aside = towards - (towards * along).sum(axis=1, keepdims=True) * along
    aside = aside / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    bend = np.sqrt(np.maximum(length**2 - reached**2, 0)) / 2
    return begin + along * reached / 2 + aside * bend, begin + along * reached


def _progress(frames: int, rng: np.random.Generator) -> Array:
    """Draw how much of the action is done at each frame, in [0, 1]: a pause, the action at uneven speed, a pause."""
    pauses = rng.uniform(0, 0.15, 2)
    pace = np.interp(np.linspace(0, 1, frames), np.linspace(0, 1, 4), rng.uniform(0.6, 1.4, 4)).cumsum()
    done = (pace - pace[0]) / (pace[-1] - pace[0])
    shares: Array = np.clip((done - pauses[0]) / (1 - pauses.sum()), 0, 1)
    return shares


def _smooth_path(
    rest: Sequence[float], places: Sequence[Array], time: Array, rng: np.random.Generator, std: float
) -> Array:
    """Draw a smooth path from rest through the (slightly displaced) places and back: (frames, axes)."""
    keys = np.array([rest, *places, rest], dtype=np.float64)
    keys[1:-1] += rng.normal(0, 1, keys[1:-1].shape) * std
    at = time * (len(keys) - 1)
    before = np.minimum(at.astype(int), len(keys) - 2)
    share = (1 - np.cos(np.pi * (at - before)))[:, None] / 2
    path: Array = keys[before] * (1 - share) + keys[before + 1] * share
    return path
