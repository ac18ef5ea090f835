"""Executors: trials that run elsewhere come back as the records of a local run, whatever the executor returns."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from zoo_core.checks import CheckFailedError, Subject
from zoo_core.checks.plugin import PluginSubject
from zoo_core.checks.plugin import executors as check_executors
from zoo_core.errors import DamagedRecordError, UsageError
from zoo_core.executors import perform
from zoo_core.registry import LOCAL, Pair, Registry
from zoo_core.results.records import Load, Measured, Record, decode, encode
from zoo_core.results.store import Store
from zoo_core.runner.executor import WorkerResult
from zoo_core.runner.plan import make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import InitialWeights
from zoo_core.runner.recording import TrialStatus, make_record, now
from zoo_core.runner.remote import as_remote, checked
from zoo_core.runner.remote_trial import Packed, differences, pack, to_remote, unpack
from zoo_core.runner.request import Request

# What `--address` says is what the executor does.
ELSEWHERE = """
    from zoo_core import ExecutorSpec, hookimpl
    from zoo_core.executors import Began, Lost, Refused, Returned, perform

    @hookimpl
    def zoo_executors():
        entry = f"{__name__}:Elsewhere"
        yield ExecutorSpec(name="elsewhere", summary="Here, in fact", address="what to do", entry=entry)
        yield ExecutorSpec(name="lacking", summary="", needs=("no-such-package",), entry=entry)

    class Elsewhere:
        def __init__(self, what):
            if what == "nowhere":
                raise ConnectionError("no cluster answers")
            self.what, self.works = what, []

        def submit(self, work):
            self.works.append(work)

        def collect(self, timeout_s):
            if not self.works:
                return
            work = self.works.pop(0)
            yield Began(number=work.number)
            yield Began(number=99)
            if self.what == "garbage":
                yield Returned(number=work.number, content=b"no record")
            elif self.what == "lost" or (self.what == "lost once" and work.attempt == 1):
                yield Lost(number=work.number, reason="the node is gone")
            elif self.what == "refused":
                yield Refused(number=work.number, reason="torch: 1.0 there, 2.0 here")
            elif self.what == "breaks":
                raise ValueError("the executor's own words")
            else:
                content = perform(work.content)
                yield Returned(number=work.number, content=content)
                yield Returned(number=work.number, content=content)

        def close(self):
            print("closed")
    """
BENCH = ["bench", "cosine", "--model", "mlp", "--max-steps", "20", "--device", "cpu", "--threads", "1"]


@pytest.fixture
def run(zoo: Callable[..., Any], make_plugin: Callable[..., Path]) -> Callable[..., Any]:
    """Run trials by the executor, which does what `what` says."""
    make_plugin("zoo-elsewhere", ELSEWHERE)
    return lambda what, *more: zoo(*BENCH, "--executor", "elsewhere", "--address", what, *more)


def records(folder: str = "results") -> list[Record]:
    found = [decode(path.read_bytes()) for path in Path(folder).glob("*/*.json")]
    return sorted(found, key=lambda record: record.seed)


def test_records_from_elsewhere_are_those_of_a_local_run_each_once_and_do_not_run_again(
    run: Callable[..., Any], zoo: Callable[..., Any]
) -> None:
    assert zoo(*BENCH, "--results", "here").code == 0
    done = run("lost once", "--save")
    assert done.code == 0, done.err
    here, there = records("here"), records()
    assert [record.score for record in there] == [record.score for record in here]
    assert [record.key for record in there] == [record.key for record in here], "this machine has one kind of CPU"
    assert {record.environment["executor"] for record in there} == {"elsewhere"}
    assert all((Store(Path("results")).artifacts(record) / record.measured.checkpoint).is_file() for record in there)
    assert "1 to run (no estimate), 1 recorded already" in run("good", "--seeds", "2", "--save", "--dry-run").out
    assert not [*Path("results").glob(".staging/*")]


def test_an_executor_is_listed_beside_the_local_one(run: Callable[..., Any], zoo: Callable[..., Any]) -> None:
    listed = {row["executor"]: row for row in json.loads(zoo("list", "executors", "--json").out)}
    assert {"local", "elsewhere"} <= set(listed)
    assert listed["lacking"]["missing"] == ["no-such-package"]
    assert Registry.load().executor("local") == LOCAL


def test_the_check_of_a_plugin_names_the_methods_that_an_executor_lacks(make_plugin: Callable[..., Path]) -> None:
    make_plugin("zoo-third", (Path(__file__).parent / "broken" / "plugin_executors.py").read_text())
    subject = Subject(what="plugin", name="zoo-third", plugin="zoo-third", version="1.0")
    with pytest.raises(CheckFailedError, match="executor broken: zoo_third:Third has no method collect and no close"):
        check_executors(PluginSubject(subject, Registry.load()))


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("lost", 1, "the machine that ran it was lost, 2 times: the node is gone"),
        ("garbage", 2, "executor elsewhere returned no record of this trial"),
        ("refused", 2, "torch: 1.0 there, 2.0 here; 1 trial did not run"),
        ("breaks", 1, "executor elsewhere failed: ValueError: the executor's own words"),
        ("nowhere", 2, "executor elsewhere cannot be used: ConnectionError: no cluster answers"),
    ],
)
def test_whatever_an_executor_does_a_trial_ends_and_can_run_again(
    run: Callable[..., Any], what: str, code: int, says: str
) -> None:
    done = run(what)
    assert done.code == code
    assert says in " ".join((done.out + done.err).split())
    assert [record.status for record in records()] == (["interrupted"] if what in ("lost", "garbage", "breaks") else [])
    assert "1 to run" in run(what, "--dry-run").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--executor", "elswhere"], "did you mean elsewhere"),
        (["--executor", "lacking"], "pip install no-such-package"),
        (["--executor", "lacking", "--address", "x"], "takes no --address"),
        (["--address", "x"], "--address goes with --executor"),
        (["--executor", "local", "--address", "x"], "does not go with --executor local"),
        (["--executor", "elsewhere", "--limit", "1m"], "--limit does not go with --executor"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_submitted(
    run: Callable[..., Any], zoo: Callable[..., Any], words: list[str], says: str
) -> None:
    done = zoo(*BENCH, *words)
    assert (done.code, says in done.err) == (2, True), done.err


@pytest.fixture(scope="module")
def planned() -> PlannedTrial:
    registry = Registry.load()
    task = registry.task("cosine")
    pair = Pair(task, registry.model("mlp", task))
    request = Request(pairs=[pair], overrides={"steps": 3}, threads=1)
    (trial,) = make_plan(request, registry, Store(Path("nowhere"))).todo
    return trial


@pytest.fixture
def good(planned: PlannedTrial) -> Record:
    """A record that an executor may return for the trial."""
    environment = {"machine": "0123abcd"}
    started, status = now(), TrialStatus(status="ok", reason="")
    record = make_record(
        planned, WorkerResult(), status, started=started, environment=environment, weights=InitialWeights()
    )
    return structs.replace(record, id=f"{record.key[:16]}-0123abcd-{''.join(filter(str.isdigit, started))[:20]}")


def test_a_record_of_the_planned_trial_is_taken(good: Record, planned: PlannedTrial) -> None:
    failed = structs.replace(good, status="diverged", wall_s=3.0)
    assert checked(failed, planned) == failed


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"experiment": "0" * 64},
        {"id": "../../escape"},
        {"source": "pytest-benchmark"},
        {"started_at": "2001-01-01T00:00:00+00:00"},
    ],
)
def test_a_record_of_something_else_is_refused(good: Record, planned: PlannedTrial, changes: Any) -> None:
    with pytest.raises(DamagedRecordError):
        checked(structs.replace(good, **changes), planned)


def test_impossible_measurements_from_elsewhere_become_an_error(good: Record, planned: PlannedTrial) -> None:
    load = Load(cpu_s=1.0, wall_s=9e9)
    measured = Measured(scores={"mse": 0.0}, steps=3, train_s=0.1, throughput=30.0, load=load)
    found = checked(structs.replace(good, wall_s=2.0, measured=measured), planned)
    assert (found.status, found.measured) == ("error", Measured())
    assert "cannot be right" in found.reason


def packed(record: Record, *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return msgspec.msgpack.encode(Packed(record=encode(record), files=content.getvalue()))


def member(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, b"" if fields else b"content"


def test_what_was_packed_is_unpacked(good: Record, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "picture-0.png").write_bytes(b"png")
    (tmp_path / "there" / "link").symlink_to("/etc/passwd")
    assert unpack(pack(good, tmp_path / "there"), tmp_path / "here") == good
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["picture-0.png"]


@pytest.mark.parametrize(
    "hostile",
    [
        member("../escape"),
        member("/etc/escape"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("pipe", type=tarfile.FIFOTYPE),
        member("folder", type=tarfile.DIRTYPE),
    ],
    ids=lambda item: item[0].name if isinstance(item, tuple) else "",
)
def test_files_from_elsewhere_stay_in_their_folder(good: Record, tmp_path: Path, hostile: Any) -> None:
    folder = tmp_path / "staging"
    folder.mkdir()
    try:
        unpack(packed(good, hostile), folder)
    except DamagedRecordError:
        pass
    else:  # an absolute name is taken as one below the folder
        assert hostile[0].name.startswith("/")
    assert [path.name for path in tmp_path.iterdir()] == ["staging"]
    assert all(path.is_file() and not path.is_symlink() for path in folder.rglob("*") if not path.is_dir())


def test_another_version_elsewhere_is_refused_by_name(planned: PlannedTrial) -> None:
    remote = to_remote(planned, Registry.load().versions, max_threads=1)
    for name, value in (("torch", "1.0.0"), ("plugin zoo-cosine", "0.0.1")):
        other = structs.replace(remote, versions={**remote.versions, name: value})
        with pytest.raises(UsageError, match=rf"{name}: {value} where the run was started, .* here: install the same"):
            perform(msgspec.json.encode(other).decode())
    changed = structs.replace(remote, code={**remote.code, "code of the model": "0" * 64})
    with pytest.raises(UsageError, match="code of the model: 000000000000 where the run was started"):
        perform(msgspec.json.encode(changed).decode())


def test_differences_are_told_in_words() -> None:
    assert differences({"torch": "2.9", "numpy": "2"}, {"torch": "2.10", "numpy": "2"}) == [
        "torch: 2.9 where the run was started, 2.10 here"
    ]
    assert differences({"plugin zoo-x": "1"}, {}) == ["plugin zoo-x: 1 where the run was started, none here"]


def test_devices_of_an_executor_are_classes() -> None:
    assert as_remote(Request(pairs=[], devices=["auto", "cuda", "cpu"])).devices == ["cpu", "cuda"]
    with pytest.raises(UsageError, match="--device cuda:1 does not go with --executor"):
        as_remote(Request(pairs=[], devices=["cuda:1"]))
