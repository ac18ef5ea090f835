"""What TensorBoard's own reader finds in the event files equals the record, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray
from zoo_tensorboard.logger import TensorBoardLogger

from zoo_core.loggers import numbers_of_point, numbers_of_record, params_of, safe_name


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def scalars(accumulator: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every number, by tag."""
    tags = accumulator.SummaryMetadata
    found = [tag for tag in accumulator.Tags()["tensors"] if tags(tag).plugin_data.plugin_name == "scalars"]
    return {
        tag: [(event.step, make_ndarray(event.tensor_proto).item()) for event in accumulator.Tensors(tag)]
        for tag in found
    }


def test_the_numbers_that_tensorboard_reads_equal_the_record(logged_trial: Any, tmp_path: Path) -> None:
    where = logged_trial.send_to(TensorBoardLogger(str(tmp_path / "runs")))
    assert where == f"tensorboard --logdir {tmp_path / 'runs'}"
    found = scalars(read(tmp_path / "runs" / logged_trial.began.slug))
    expected: dict[str, list[tuple[int, float]]] = {}
    for point in logged_trial.points:
        for name, value in numbers_of_point(point, "a*b").items():
            expected.setdefault(safe_name(name), []).append((point.step, value))
    for name, value in numbers_of_record(logged_trial.record).items():
        expected.setdefault(safe_name(name), []).append((30, value))
    assert found == expected
    assert [value for _, value in found["train/loss"]] == [1 / 3, 1 / 6, 1 / 9]
    assert len(expected) == 15


def test_pictures_texts_and_hyper_parameters_are_there(logged_trial: Any, tmp_path: Path) -> None:
    logged_trial.send_to(TensorBoardLogger(str(tmp_path / "runs")))
    accumulator = read(tmp_path / "runs" / logged_trial.began.slug)
    (image,) = accumulator.Images(safe_name("pictures/the/curve *"))
    assert (image.width, image.height) == (6, 4)
    assert image.encoded_image_string == logged_trial.files.pictures["the/curve *"].read_bytes()
    (text,) = accumulator.Tensors("texts/words")
    assert make_ndarray(text.tensor_proto).item().decode() == "    <script>1</script>\n    # ж"  # shown as code
    content = accumulator.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    params = HParamsPluginData.FromString(content).session_start_info.hparams
    found = {name: getattr(value, value.WhichOneof("kind")) for name, value in params.items()}
    assert found == {safe_name(name): value for name, value in params_of(logged_trial.began).items()}
    assert (found["recipe/lr"], found["recipe/nesterov"], found["seed"]) == (0.1, True, 7)


def test_a_trial_without_an_end_keeps_its_curve(logged_trial: Any, tmp_path: Path) -> None:
    logger = TensorBoardLogger(str(tmp_path / "runs"))
    logger.began(logged_trial.began)
    logger.evaluated(logged_trial.points[0])
    logger.close()
    assert scalars(read(tmp_path / "runs" / logged_trial.began.slug))["val/a_b-" + safe_name("val/a*b")[-8:]] == [
        (10, 0.1)
    ]


def test_the_logger_imports_neither_torch_nor_tensorflow() -> None:
    code = "import sys, zoo_tensorboard.logger; print({'torch', 'tensorflow'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("target", ["", "elsewhere"])
def test_the_folder_is_made_at_once(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    TensorBoardLogger(target)
    assert (tmp_path / (target or "runs")).is_dir()
