"""The skeletons: names of the joints, the bones between them, the body's root, and the pairs of left and right.

They are JSON values in a signature's `extra`, so that objectives and pictures work with any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAST_S, FUTURE_S = 1.0, 0.5  # of the task `motion`: the input, the prediction

KINECT_20: dict[str, Any] = {
    "joints": [
        *("left shoulder", "right shoulder", "neck", "spine", "left hip", "right hip", "hip", "left elbow"),
        *("right elbow", "left wrist", "right wrist", "left hand", "right hand", "left knee", "right knee"),
        *("left ankle", "right ankle", "left foot", "right foot", "head"),
    ],
    "bones": [
        *([6, 3], [3, 2], [2, 19], [2, 0], [2, 1], [0, 7], [1, 8], [7, 9], [8, 10], [9, 11], [10, 12]),
        *([6, 4], [6, 5], [4, 13], [5, 14], [13, 15], [14, 16], [15, 17], [16, 18]),
    ],
    "root": [6],
    "mirror": [1, 0, 2, 3, 5, 4, 6, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 19],
    "up": 1,  # the sign of the second axis: 1 upwards, -1 downwards
}

KINECT_25: dict[str, Any] = {
    "joints": [
        *("spine base", "spine middle", "neck", "head", "left shoulder", "left elbow", "left wrist", "left hand"),
        *("right shoulder", "right elbow", "right wrist", "right hand", "left hip", "left knee", "left ankle"),
        *("left foot", "right hip", "right knee", "right ankle", "right foot", "spine shoulder", "left fingertips"),
        *("left thumb", "right fingertips", "right thumb"),
    ],
    "bones": [
        *([0, 1], [1, 20], [20, 2], [2, 3], [20, 4], [4, 5], [5, 6], [6, 7], [7, 21], [6, 22], [20, 8], [8, 9]),
        *([9, 10], [10, 11], [11, 23], [10, 24], [0, 12], [12, 13], [13, 14], [14, 15], [0, 16], [16, 17]),
        *([17, 18], [18, 19]),
    ],
    "root": [0],
    "mirror": [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 20, 23, 24, 21, 22],
    "up": 1,
}

COCO_17: dict[str, Any] = {
    "joints": [
        *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow"),
        *("right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee"),
        *("left ankle", "right ankle"),
    ],
    "bones": [
        *([15, 13], [13, 11], [16, 14], [14, 12], [11, 12], [5, 11], [6, 12], [5, 6], [5, 7], [6, 8], [7, 9], [8, 10]),
        *([0, 1], [0, 2], [1, 3], [2, 4], [0, 5], [0, 6]),
    ],
    "root": [11, 12],
    "mirror": [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15],
    "up": -1,
}


def skeleton_extra(skeleton: dict[str, Any], *, fps: int, unit: str, **chance: float) -> dict[str, Any]:
    """Make a signature's `extra`: the skeleton, frames per second, the unit of positions, chance levels by metric."""
    return {**skeleton, "fps": fps, "unit": unit, **({"chance": chance} if chance else {})}


def window_frames(extra: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of frames in one second of past and in half a second of future."""
    return max(2, round(PAST_S * extra["fps"])), max(1, round(FUTURE_S * extra["fps"]))
