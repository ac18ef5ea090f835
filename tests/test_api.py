"""The zoo in a notebook: it runs the same trials as the command line, also for a class defined in a cell."""

from __future__ import annotations

import functools
import importlib
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo_core as zoo
from zoo_core.api import BenchResult, TableView, _command_text, _to_dataframe
from zoo_core.entries import resolve_entry
from zoo_core.entries.notebook import model_of_object, model_of_pickle, place_of, source_sha256
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.runner.events import PhaseBegan, Progress
from zoo_core.ui.notebook import NotebookDisplay, is_notebook

QUICK = {"offline": True, "max_steps": 2, "device": "cpu", "progress": False}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def task() -> Any:
    return Registry.load().task("cosine")


def script(source: str) -> Any:
    """Return `build` of a script with this source, run as the main program."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(textwrap.dedent(source), names)
    return names["build"]


def line_of_a_function(signature: Any, width: int = 3) -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(signature.features, width), nn.Linear(width, signature.outputs))


def test_importing_the_core_imports_nothing_that_runs() -> None:
    code = "import sys, zoo_core; print([name for name in ('torch', 'msgspec', 'typer') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_functions_of_the_api_are_listed_and_any_other_name_is_an_error() -> None:
    assert {"bench", "list_tasks", "TaskSpec"} <= set(dir(zoo))
    with pytest.raises(AttributeError, match="no_such_name"):
        zoo.no_such_name  # noqa: B018


def test_a_model_by_name_gives_the_record_of_the_command_line() -> None:
    result = zoo.bench("cosine", model="linear", seeds=2, **QUICK)
    assert [record.seed for record in result.records] == [0, 1]
    assert {record.status for record in result.records} == {"ok"}
    assert result.failed == []
    assert result.records[0].model.name == "zoo-cosine:linear"
    assert result.records[0].command == (
        "zoo.bench('cosine', model='linear', seeds=2, device='cpu', offline=True, max_steps=2, progress=False)"
    )
    again = zoo.bench("cosine", model="linear", seeds=[1], **QUICK)
    assert [record.id for record in again.records] == [result.records[1].id]


def test_a_function_of_a_file_is_that_files_and_shares_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "net_of_a_test.py"
    file.write_text("from torch import nn\n\ndef build(width=3):\n    return nn.Linear(1, 1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    build = importlib.import_module("net_of_a_test").build
    model = model_of_object(build, task())
    assert (model.entry, model.name, model.options) == (f"{file}:build", "net_of_a_test.build", {"width": 3})
    [first] = zoo.bench("cosine", model=build, **QUICK).records
    [second] = zoo.bench("cosine", model="./net_of_a_test.py:build", **QUICK).records
    assert first == second


def test_a_class_that_is_nowhere_in_a_file_is_trained_in_a_worker() -> None:
    from torch import nn

    factor = 2

    class Line(nn.Module):
        """A line, doubled."""

        def __init__(self, width: int = 4) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(1, width), nn.Linear(width, 1))

        def forward(self, x: Any) -> Any:
            return factor * self.layers(x)

    result = zoo.bench("cosine", model=Line, recipe={"width": 5}, save=True, **QUICK)
    [record] = result.records
    assert (record.status, record.model.title) == ("ok", "A line, doubled")
    assert record.model.name.startswith("unpackaged:")
    assert record.model.name.endswith(f".line-{record.model.source}")
    assert record.model.parameters == 5 + 5 + 5 + 1
    assert record.model.code_sha256 == source_sha256(Line)
    text = next(Path("results").glob("*/*.json")).read_text()
    assert str(Path.cwd()) not in text
    assert ".pickle" not in text


def test_what_builds_a_model_may_be_a_lambda_or_a_partial() -> None:
    from torch import nn

    result = zoo.bench(
        "cosine", model=[lambda: nn.Linear(1, 1), functools.partial(line_of_a_function, width=2)], **QUICK
    )
    assert [record.status for record in result.records] == ["ok", "ok"]
    assert [record.model.parameters for record in result.records] == [2, 2 + 2 + 2 + 1]


def test_a_trial_that_fails_is_in_the_result_and_raises_nothing() -> None:
    result = zoo.bench("cosine", model=lambda: 1 / 0, **QUICK)
    assert len(result.failed) == 1
    assert "ZeroDivisionError" in repr(result)


def test_a_mistake_is_raised_and_writes_nothing() -> None:
    from torch import nn

    for model, words in (
        (nn.Linear(1, 1), "is built already"),
        (3, "neither the name of a model nor"),
        (lambda a, b: None, "needs a, b"),
    ):
        with pytest.raises(UsageError, match=words):
            zoo.bench("cosine", model=[model], **QUICK)
    with pytest.raises(UnknownNameError, match="did you mean cosine"):
        zoo.bench("cosin", **QUICK)
    with pytest.raises(UnknownNameError, match="did you mean widths"):
        zoo.bench("cosine", model="mlp", recipe={"width": 3}, **QUICK)
    assert not Path("results").exists()


# the hash of the source

NET = """
WIDTH = 3
def helper(x):
    return x + WIDTH
class build:
    data = 5
    def __init__(self, act=len):
        self.data = helper(1)
    @property
    def size(self):
        return WIDTH
"""


def test_the_hash_is_the_same_in_another_session() -> None:
    assert source_sha256(script(NET)) == source_sha256(script(NET))


@pytest.mark.parametrize(
    ("old", "new"),
    [("WIDTH = 3", "WIDTH = 4"), ("x + WIDTH", "x - WIDTH"), ("data = 5", "data = 6"), ("act=len", "act=abs")],
)
def test_what_a_class_uses_counts_in_its_hash(old: str, new: str) -> None:
    assert source_sha256(script(NET)) != source_sha256(script(NET.replace(old, new)))


def test_what_a_class_does_not_use_does_not_count() -> None:
    assert source_sha256(script(NET)) == source_sha256(script(f"data = open\nunused = 3\n{NET}"))


def test_the_values_that_a_function_closes_over_count() -> None:
    def make(width: int) -> Callable[[], int]:
        return lambda: width

    assert source_sha256(make(1)) == source_sha256(make(1))
    assert source_sha256(make(1)) != source_sha256(make(2))
    assert source_sha256(functools.partial(make, width=1)) != source_sha256(functools.partial(make, width=2))


def test_another_process_finds_the_same_model_in_the_cache() -> None:
    kept = model_of_object(script("def build(signature, width=3):\n    return width"), task())
    path, _, attribute = kept.entry.rpartition(":")
    assert model_of_pickle(Path(path), attribute, task()) == kept
    assert Registry.load().model_or_file(kept.entry, task()) == kept
    assert resolve_entry(kept.entry)("signature", 4) == 4


def test_a_pickle_from_elsewhere_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="outside of the zoo's cache"):
        Registry.load().model_or_file(f"{tmp_path}/evil.pickle:Net")


# showing


def test_a_listing_is_a_table_of_text_and_of_escaped_html() -> None:
    tasks = zoo.list_tasks("cosine")
    assert [row["task"] for row in tasks] == ["cosine"]
    assert repr(tasks).splitlines()[0].split()[:2] == ["task", "title"]
    assert "<td>cosine</td>" in tasks._repr_html_()
    assert [row["model"] for row in zoo.list_models("linear")] == ["linear"]
    assert [row["dataset"] for row in zoo.list_datasets("digits")] == ["digits"]
    assert "&lt;script&gt;" in TableView([{"name": "<script>"}])._repr_html_()
    assert repr(TableView()) == "nothing"


def test_a_result_shows_as_a_table_and_converts_to_a_dataframe() -> None:
    result = zoo.bench("cosine", model="linear", **QUICK)
    assert repr(result).splitlines()[1].split()[:4] == ["cosine", "cosine", "linear", "cpu"]
    assert "<td>linear</td>" in result._repr_html_()
    frame = result.to_dataframe()
    assert list(frame["model"]) == ["zoo-cosine:linear"]
    assert frame["score"][0] == result.records[0].score
    assert repr(BenchResult([], Path())).split()[0] == "task"


def test_the_reason_of_a_failure_is_escaped() -> None:
    def build() -> None:
        raise RuntimeError("<b>out of paper</b>")

    shown = zoo.bench("cosine", model=build, **QUICK)._repr_html_()
    assert "&lt;b&gt;out of paper" in shown
    assert "<b>" not in shown


def test_a_missing_pandas_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"zoo-core\[notebook\]"):
        _to_dataframe([])


def test_a_missing_cloudpickle_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(UsageError, match=r"zoo-core\[notebook\]"):
        model_of_object(lambda: None, task())


def test_the_call_is_spelled_as_it_would_be_typed() -> None:
    called = {"task": "mnist", "model": [line_of_a_function, "cnn"], "data_root": Path("a")}
    assert _command_text(called) == "zoo.bench('mnist', model=[line_of_a_function, 'cnn'], data_root='a')"


def test_the_display_of_a_notebook_escapes_names() -> None:
    display = NotebookDisplay()
    trial: Any = type("Trial", (), {"name": "<net>", "identity": ("0", "cpu"), "task": task()})()
    display.began(trial, 1, 1)
    display.on_event(trial, PhaseBegan(name="<phase>"))
    display.on_event(trial, Progress(step=3, share=0.5, rate=10.0))
    assert "&lt;net&gt;" in display.html()
    assert "&lt;phase&gt;" in display.html()
    assert 'value="0.500"' in display.html()
    assert "step 3" in display.html()


def test_a_test_does_not_run_in_a_notebook() -> None:
    assert not is_notebook()


# names

LINE = """
from torch import nn

def build():
    return nn.Linear(1, 1)
"""


@pytest.fixture
def in_notebook(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let this process look as if it runs a notebook of Jupyter."""

    def enter(path: Path) -> None:
        monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
        monkeypatch.setenv("JPY_SESSION_NAME", str(path))

    return enter


def test_classes_of_one_name_in_two_notebooks_are_two_models(
    in_notebook: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = []
    for place in ("one/Урок 1.ipynb", "one/Урок 2.ipynb", "two/Урок 1.ipynb"):
        in_notebook(tmp_path / place)
        [record] = zoo.bench("cosine", model=script(LINE), **QUICK).records
        names.append(record.model.name)
    assert [re.sub("[0-9a-f]{8}$", "#", name) for name in names] == [
        "unpackaged:урок-1.build-#",
        "unpackaged:урок-2.build-#",
        "unpackaged:урок-1.build-#",
    ]
    assert len(set(names)) == 3
    assert "урок-1.build" in capsys.readouterr().err


def test_an_edited_class_of_a_notebook_is_the_same_model(in_notebook: Callable[[Path], None], tmp_path: Path) -> None:
    in_notebook(tmp_path / "lesson.ipynb")
    first, second = (
        zoo.bench("cosine", model=script(source), **QUICK).records[0].model
        for source in (LINE, LINE.replace("nn.Linear(1, 1)", "nn.Sequential(nn.Linear(1, 1))"))
    )
    assert first.name == second.name
    assert first.code_sha256 != second.code_sha256


def test_the_place_of_a_class_is_its_file_its_notebook_or_the_current_folder(
    in_notebook: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place_of(line_of_a_function) == (Path(__file__), "line_of_a_function")
    in_notebook(Path("a.ipynb"))
    assert place_of(script(LINE)) == (tmp_path / "a.ipynb", "build")
    in_notebook(Path("console-1-abc"))
    assert place_of(script(LINE)) == (tmp_path / "notebook", "build")
    monkeypatch.setattr(sys.modules["__main__"], "__vsc_ipynb_file__", "/x/b.ipynb", raising=False)
    assert place_of(script(LINE)) == (Path("/x/b.ipynb"), "build")


def test_classes_of_one_name_in_two_modules_of_packages_are_two_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for package in ("first_of_two", "second_of_two"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "net.py").write_text(LINE)
        [record] = zoo.bench("cosine", model=importlib.import_module(f"{package}.net").build, **QUICK).records
        assert record.status == "ok"
    assert len({path.name for path in Path("results").glob("*/current/*.json")}) == 2


def test_partials_with_other_arguments_are_other_models() -> None:
    places = [place_of(functools.partial(line_of_a_function, width=width)) for width in (2, 2, 3)]
    assert places[0] == places[1] != places[2]


def test_a_class_may_be_given_a_name() -> None:
    result = zoo.bench("cosine", model=script(LINE), name="Моя сеть", **QUICK)
    assert result.records[0].model.name == "unpackaged:Моя сеть"
    assert "name='Моя сеть'" in result.records[0].command
    assert "Моя сеть" in repr(result)
    for model, words in ((["linear", "mlp"], "goes with one"), ("linear", "linear has a name already")):
        with pytest.raises(UsageError, match=words):
            zoo.bench("cosine", model=model, name="Моя сеть", **QUICK)


SCRIPT = """
import zoo_core as zoo
import widths
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(widths.ONE, 1)

    def forward(self, x):
        return self.line(x)

result = zoo.bench("cosine", model=Net, offline=True, max_steps=2, device="cpu")
(record,) = result.records
print(record.status, record.model.name, *record.imports)
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_script_needs_no_guard_around_its_call(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the script imports is loaded with its class, and counts: if it changes, the trial runs again."""
    Path("train.py").write_text(SCRIPT)
    Path("widths.py").write_text("ONE = 1")
    monkeypatch.setenv("ZOO_START", start)
    done = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"ok unpackaged:train\.net-[0-9a-f]{8} widths\.py", done.stdout.splitlines()[-1])


CELLS = [
    "import zoo_core as zoo\nzoo.list_tasks('mnist')",
    textwrap.dedent(
        """
        from torch import nn

        class MyNet(nn.Module):
            "A net of a notebook."

            def __init__(self, signature, width=16):
                super().__init__()
                self.layers = nn.Sequential(
                    nn.Flatten(), nn.Linear(signature.features, width), nn.ReLU(), nn.Linear(width, signature.outputs)
                )

            def forward(self, x):
                return self.layers(x)
        """
    ),
    "result = zoo.bench('mnist', model=MyNet, seeds=3, offline=True, max_steps=20, device='cpu')\nresult",
    "result.to_dataframe()[['model', 'seed', 'status']]",
    "zoo.bench('mnist', model=MyNet, seeds=3, offline=True, max_steps=20, device='cpu').records == result.records",
    "import json; print(json.dumps([record.model.name for record in result.records]))",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's client
def test_a_class_of_a_notebook_is_benchmarked_in_it(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell["outputs"] for cell in notebook.cells]
    assert "<td>mnist</td>" in outputs[0][0]["data"]["text/html"]
    shown = "".join(str(output.get("data", {})) for output in outputs[2])
    assert "ok: accuracy" in shown
    assert "<td>3 ok</td>" in shown
    assert "unpackaged:notebook.my-net" in outputs[3][0]["data"]["text/html"]
    assert outputs[4][-1]["data"]["text/plain"] == "True"
    [name] = set(json.loads(outputs[5][0]["text"]))
    assert re.fullmatch(r"unpackaged:notebook\.my-net-[0-9a-f]{8}", name)
