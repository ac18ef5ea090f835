"""Writes event files with TensorBoard's own writer, which needs neither torch nor TensorFlow.

Numbers are stored in double precision, so they equal those of the record. The usual way, `simple_value`, would round
them to single precision.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_STRING
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.metadata import (
    NULL_TENSOR,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
    create_summary_metadata,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from zoo_core.loggers import (
    CurvePoint,
    Record,
    TrialBegan,
    TrialFiles,
    Value,
    numbers_of_point,
    numbers_of_record,
    params_of,
    safe_name,
)

FOLDER = "runs"
FLUSH_S = 5  # how old a live curve in the browser may be
PNG_SIZE = slice(16, 24)  # of a PNG file: width and height, 4 bytes each


class TensorBoardLogger:
    """Writes one folder of event files for each trial below `target`."""

    def __init__(self, target: str) -> None:
        self._folder = Path(target or FOLDER).expanduser().absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._writer: EventFileWriter | None = None
        self._metric = ""
        self._step = 0

    def began(self, trial: TrialBegan) -> None:
        self._stop()
        self._metric, self._step = trial.task.metric, 0
        self._writer = EventFileWriter(str(self._folder / trial.slug), flush_secs=FLUSH_S)
        started = SessionStartInfo(start_time_secs=time.time())
        for name, value in params_of(trial).items():
            _set_hparam(started, safe_name(name), value)
        self._write(_hparams(SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=started)))

    def evaluated(self, point: CurvePoint) -> None:
        self._step = point.step
        self._write(*_scalars(numbers_of_point(point, self._metric)))

    def finished(self, record: Record, files: TrialFiles) -> None:
        self._write(*_scalars(numbers_of_record(record)))
        for name, path in files.pictures.items():
            self._write(_picture(f"pictures/{name}", path.read_bytes()))
        for name, path in files.texts.items():
            self._write(_text(f"texts/{name}", path.read_text(encoding="utf-8", errors="replace")))
        self._write(_text("status", "\n".join(filter(None, (record.status, record.reason)))))
        ended = SessionEndInfo(
            status=STATUS_SUCCESS if record.status == "ok" else STATUS_FAILURE, end_time_secs=time.time()
        )
        self._write(_hparams(SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=ended)))
        self._stop()

    def close(self) -> str:
        self._stop()
        return f"tensorboard --logdir {self._folder}"

    def _write(self, *values: Summary.Value) -> None:
        if self._writer is not None and values:
            self._writer.add_event(Event(wall_time=time.time(), step=self._step, summary=Summary(value=values)))

    def _stop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _scalars(numbers: Mapping[str, float]) -> list[Summary.Value]:
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), data_class=DATA_CLASS_SCALAR
    )
    return [
        Summary.Value(
            tag=safe_name(name),
            metadata=metadata,
            tensor=TensorProto(dtype=DT_DOUBLE, double_val=[number], tensor_shape=TensorShapeProto()),
        )
        for name, number in numbers.items()
    ]


def _picture(name: str, png: bytes) -> Summary.Value:
    width, height = struct.unpack(">II", png[PNG_SIZE])
    image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
    return Summary.Value(tag=safe_name(name), image=image)


def _text(name: str, text: str) -> Summary.Value:
    """Make a text that is shown as it is. TensorBoard reads texts as Markdown, in which indented lines are code."""
    indented = "\n".join(f"    {line}" for line in text.splitlines())
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"), data_class=DATA_CLASS_TENSOR)
    tensor = TensorProto(dtype=DT_STRING, string_val=[indented.encode()], tensor_shape=TensorShapeProto())
    return Summary.Value(tag=safe_name(name), metadata=metadata, tensor=tensor)


def _hparams(tag: str, content: HParamsPluginData) -> Summary.Value:
    return Summary.Value(tag=tag, metadata=create_summary_metadata(content), tensor=NULL_TENSOR)


def _set_hparam(started: SessionStartInfo, name: str, value: Value) -> None:
    if isinstance(value, bool):
        started.hparams[name].bool_value = value
    elif isinstance(value, int | float):
        started.hparams[name].number_value = value
    else:
        started.hparams[name].string_value = value
