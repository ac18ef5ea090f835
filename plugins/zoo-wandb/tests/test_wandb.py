"""What is in the file of an offline run equals the record, to the last bit, and nothing left the machine.

wandb 0.31 has no reader of its files in Python. Their framing is that of a LevelDB log, which `records_in` undoes; what
is in a frame is read by wandb's own protocol buffers.
"""

from __future__ import annotations

import json
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo_core.loggers import numbers_of_point, numbers_of_record, params_of, safe_name

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HOST = "name-of-this-machine"
BLOCK, HEADER, START = 32_768, 7, 7  # bytes; of the file, of a frame's header, of the file's own header
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def contents_in(file: Path) -> Iterator[bytes]:
    """The contents of a LevelDB log: blocks of frames (checksum, size, type), none of which crosses a block."""
    data, at, content = file.read_bytes(), START, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        content += data[at + HEADER : at + HEADER + size]
        at += HEADER + size
        if kind in (FULL, LAST):
            yield content
            content = b""


def records_in(file: Path) -> list[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    return [Record.FromString(content) for content in contents_in(file)]


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A listening port of this machine, at the address that wandb takes for its server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield listening


@pytest.fixture
def records(logged_trial: Any, address: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The records in the file of a trial that was logged offline."""
    import wandb
    from zoo_wandb.logger import WandbLogger

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))  # else copies of checkpoints go to the home folder
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    try:
        where = logged_trial.send_to(WandbLogger(""))
    finally:
        wandb.teardown()
    assert where == "project zoo, in the folder wandb; `wandb sync --sync-all` uploads it"
    assert select.select([address], [], [], 0.0)[0] == []  # nobody connected
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    return records_in(file)


def values(items: Any) -> dict[str, Any]:
    """Values by name; the parts of a picture are in a dict."""
    found: dict[str, Any] = {}
    for item in items:
        name, *parts = [item.key] if item.key else item.nested_key
        inner = found if not parts else found.setdefault(name, {})
        inner[parts[0] if parts else name] = json.loads(item.value_json)
    return found


def parts(records: list[Any], kind: str) -> list[Any]:
    return [getattr(record, kind) for record in records if record.WhichOneof("record_type") == kind]


def test_the_numbers_in_the_run_equal_the_record_and_nothing_left_the_machine(
    records: list[Any], logged_trial: Any
) -> None:
    rows = [values(row.item) for row in parts(records, "history")]
    numbers = [{name: value for name, value in row.items() if not name.startswith(("_", "pictures/"))} for row in rows]
    expected = [
        {safe_name(name): value for name, value in numbers_of_point(point, "a*b").items()}
        for point in logged_trial.points
    ]
    expected[-1] |= {safe_name(name): value for name, value in numbers_of_record(logged_trial.record).items()}
    assert numbers == expected
    assert [row["_step"] for row in rows] == [10, 20, 30]
    picture = rows[-1][safe_name("pictures/the/curve *")]
    assert (picture["width"], picture["height"]) == (6, 4)


def test_config_summary_and_model_are_there_but_nothing_about_the_machine(
    records: list[Any], logged_trial: Any, tmp_path: Path
) -> None:
    (run, *_) = parts(records, "run")
    assert (run.project, run.display_name, run.run_group) == ("zoo", "cosine mlp cpu seed 7", "zoo-cosine:cosine")
    assert run.host == ""
    config = values(run.config.update)
    params = {safe_name(name): value for name, value in params_of(logged_trial.began).items()}
    assert {name: config[name] for name in params} == params
    assert set(config) - set(params) <= {"_wandb"}
    summary = {name: value for part in parts(records, "summary") for name, value in values(part.update).items()}
    assert (summary["status"], summary["record"]) == ("ok", "0123abcd-machine-1")
    assert summary["texts/words"] == "<script>1</script>\n# ж"
    (artifact,) = parts(records, "artifact")
    assert (artifact.type, [file.path for file in artifact.manifest.contents]) == ("model", ["checkpoint.safetensors"])
    everything = b"".join(path.read_bytes() for path in (tmp_path / "wandb").rglob("*") if path.is_file())
    assert HOST.encode() not in everything
