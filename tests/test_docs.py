"""Check the documents: commands run, code works, links resolve, tables match the code, generated pages are current."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
import typing
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

import zoo_core
from zoo_core import errors, hookspecs
from zoo_core.cli import app
from zoo_core.registry import Registry
from zoo_core.results import records
from zoo_core.results.records import Record

STRUCTS = {item for item in vars(records).values() if inspect.isclass(item) and issubclass(item, msgspec.Struct)}
ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in ROOT.glob("docs/**/*.md") if "site" not in path.parts)
DOCUMENTS = [
    *(path for path in ROOT.glob("*.md")),
    *PAGES,
    *ROOT.glob("plugins/*/README.md"),
    ROOT / "leaderboard" / "README.md",
]


def blocks(document: str, language: str) -> list[str]:
    """The code blocks in one language, without the fences."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)


def commands(block: str) -> list[list[str]]:
    """The words of each command in a shell block, without comments."""
    return [words for line in block.splitlines() if (words := shlex.split(line, comments=True))]


def test_the_reference_pages_are_those_that_the_code_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "docs" / "generate.py", tmp_path], check=True, capture_output=True)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in (ROOT / "docs" / "reference").iterdir()}, (
        "run: nox -s docs"
    )


def test_ci_runs_the_readmes_test_command_to_the_letter() -> None:
    demo, tests = blocks("README.md", "sh")[:2]
    assert tests in (ROOT / ".ci" / "run").read_text()
    assert tests in (ROOT / "CONTRIBUTING.md").read_text()
    for command, session in ((demo, "demo"), (tests, "tests")):
        assert command.strip().endswith(f"nox -s {session}")
        assert f"def {session}(session" in (ROOT / "noxfile.py").read_text()


def test_every_session_that_a_document_or_a_workflow_names_exists() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.M)) - {"set_up"}
    workflows = [*ROOT.glob(".github/workflows/*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / ".ci" / "run"]
    calls = [
        call for file in (*DOCUMENTS, *workflows) for call in re.findall(r"nox -s (\w+(?: \w+)*)", file.read_text())
    ]
    named = {name for call in calls for name in call.split(" ")}
    assert {"demo", "site", "lowest", "coverage"} <= named <= sessions


def links(document: Path) -> list[tuple[str, str]]:
    """The links of a document to files and headings of the repository, as (path, anchor); either may be empty."""
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    parts = [target.partition("#") for target in targets if not re.match(r"[a-z]+:", target)]
    return [(path, anchor) for path, _, anchor in parts]


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub and MyST give to the headings of a Markdown file."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#{1,6} +(.+?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_to_a_file_and_to_a_heading_in_it() -> None:
    found = 0
    for document in DOCUMENTS:
        for path, anchor in links(document):
            target = document.parent / path if path else document
            assert target.exists(), f"{document.name} links to {path}"
            assert not anchor or anchor in anchors(target), f"{document.name} links to {path}#{anchor}"
            found += 1
    assert found > 60


def test_a_link_to_a_missing_heading_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading, `code`?\n\n```text\n# no heading\n```\n[a](#a-heading-code) [b](https://b.example/#c)\n"
    )
    assert anchors(page) == {"a-heading-code"}
    assert links(page) == [("", "a-heading-code")]


def import_rule(name: str) -> Any:
    """The value of a constant of tests/test_import_rules.py."""
    tree = ast.parse((ROOT / "tests" / "test_import_rules.py").read_text(encoding="utf-8"))
    (value,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return ast.literal_eval(value)


def test_the_design_page_lists_every_module_in_its_layer() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    core, heading, leaderboard = page.partition("The layers of `zoo_leaderboard`:")
    assert heading
    for text, rule in ((core, "CORE_LAYERS"), (leaderboard, "LEADERBOARD_LAYERS")):
        listed = {(int(layer), module) for layer, module in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.M)}
        assert listed == {(layer, module) for layer, modules in enumerate(import_rule(rule)) for module in modules}


def glossary_terms(section: str) -> list[str]:
    """The terms of one section, in lower case and without backticks and brackets."""
    terms = re.findall(r"^\| (.+?) \| ", section, re.M)
    return [re.sub(r"[`()]", "", term).lower() for term in terms if term != "term"]


def test_the_glossary_is_alphabetical_and_explains_each_term_once() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    sections = [glossary_terms(section) for section in page.split("\n## ")[1:]]
    every_term = [term for terms in sections for term in terms]
    assert len(every_term) > 100
    assert len(every_term) == len(set(every_term))
    for terms in sections:
        assert terms == sorted(terms)


def test_the_tutorial_lists_the_modules_that_plugins_may_import() -> None:
    text = (ROOT / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
    listed = re.search(r"of its modules (.+?)\.\s", text, re.S)
    assert listed is not None
    names = re.findall(r"`([\w.]+)`", listed[1])
    assert sorted(f"zoo_core.{name}" for name in names) == sorted(import_rule("PUBLIC_MODULES"))


def test_the_readme_lists_every_task_with_its_models() -> None:
    registry = Registry.load()
    rows = re.findall(r"^\| `([a-z][\w-]*)` \|[^|]*\|([^|]*)\|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    listed = {task: set(re.findall(r"`([^`]+)`", models)) for task, models in rows}
    assert listed == {task.name: {model.name for model in registry.models_for(task)} for task in registry.tasks}


def test_the_readme_counts_the_pairs() -> None:
    assert f"all {len(Registry.load().pairs())} pairs" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_version_of_the_core_is_stated_in_one_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "zoo_core/__init__.py"
    assert version("zoo-core") == zoo_core.__version__


def test_every_hook_has_a_test_and_an_entry_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "hooks.md").read_text()
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/*.py") if path != Path(__file__))
    for hook in (name for name in vars(hookspecs) if name.startswith("zoo_")):
        assert f"## {hook}\n" in reference
        assert f"def {hook}(" in tests


def reference(page: str) -> str:
    """The text of a generated page."""
    return (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")


def test_every_error_is_in_the_reference() -> None:
    names = [name for name, item in vars(errors).items() if inspect.isclass(item) and issubclass(item, errors.ZooError)]
    assert len(names) > 20
    for name in names:
        assert f"\n## {name}\n" in reference("errors")


def test_every_field_of_a_record_is_in_the_reference() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", reference("records"), re.M | re.S))
    reached = {Record}
    while new := {part for struct in reached for part in parts_of(struct)} - reached:
        reached |= new
    assert {"Record", "Measured", "Latency", "BenchmarkFacts"} <= {struct.__name__ for struct in reached}
    for struct in reached:
        for field in msgspec.structs.fields(struct):
            assert f"| `{field.name}` |" in sections[struct.__name__], f"{struct.__name__}.{field.name}"


def parts_of(struct: Any) -> set[Any]:
    """The structs that the types of a struct's fields contain."""
    found, left = set(), list(typing.get_type_hints(struct).values())
    while left:
        hint = left.pop()
        found.add(hint)
        left += typing.get_args(hint)
    return found & STRUCTS


def test_every_command_and_each_of_its_options_is_in_the_reference() -> None:
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", reference("commands"), re.M | re.S))
    seen = 0
    for words, command in commands_below(typer.main.get_command(app), ("zoo",)):
        text = sections[" ".join(words)]
        for item in command.params:
            label = item.name.upper() if item.param_type_name == "argument" else ", ".join(item.opts)
            assert f"| `{label}` |" in text, f"{words} {label}"
            seen += 1
    assert seen > 100


def commands_below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """This command and all commands below it, each with the words that call it."""
    yield words, command
    for name in command.list_commands(context := typer.Context(command)) if hasattr(command, "list_commands") else ():
        yield from commands_below(command.get_command(context, name), (*words, name))


def test_all_that_authors_import_is_in_the_reference() -> None:
    pages = reference("specs") + reference("errors")
    for name in set(zoo_core.__all__) - {"hookimpl", "Params"}:
        assert f"\n## {name}\n" in pages, name
        item = getattr(zoo_core, name)
        for field in dataclasses.fields(item) if dataclasses.is_dataclass(item) else ():
            assert f"| `{field.name}` |" in pages.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert "`hookimpl`" in reference("hooks")
    assert "`Params`" in reference("specs")


def fenced(document: Path) -> list[tuple[str, str]]:
    """The code blocks of a document: (language, content)."""
    return re.findall(r"^```(\S*)\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)


def test_every_code_block_is_of_a_sort_that_a_test_runs() -> None:
    followed = {
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "docs" / "a-kind-of-your-own.md",
        ROOT / "docs" / "write-a-plugin.md",
        ROOT / "docs" / "your-net.md",
    }  # by tests of their own
    for document in DOCUMENTS:
        languages = {language for language, _ in fenced(document)} - {"{toctree}", "text"}
        allowed = {"sh", "python"} if document in PAGES else set()
        assert document in followed or languages <= allowed, f"{document.name}: {languages}"


def run_script(*words: str | Path) -> None:
    """Run Python in a process of its own and in the current folder."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def run_commands(zoo: Callable[..., Any], block: str, *, shorter: Sequence[str] = ()) -> None:
    """Run each command of a shell block: all of them call `zoo`. `shorter`: more words for trainings of any length."""
    assert commands(block)
    for words in commands(block):
        assert words[0] == "zoo"
        more = shorter if words[1] == "bench" and "--max-steps" not in words else ()
        done = zoo(*words[1:], *more)
        assert done.code == 0, f"{words}: {done.err}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["bring-your-own-data", "export-a-model", "look-inside", "past-one-machine", "run-on-a-gpu"]
)
def test_the_code_of_a_page_runs_from_top_to_bottom(name: str, zoo: Callable[..., Any]) -> None:
    found = [(language, code) for language, code in fenced(ROOT / "docs" / f"{name}.md") if language != "text"]
    assert found
    for language, code in found:
        run_script("-c", code) if language == "python" else run_commands(zoo, code)


def test_no_page_with_code_is_left_out_of_these_tests() -> None:
    with_code = {path.stem for path in PAGES if {"sh", "python"} & {language for language, _ in fenced(path)}}
    tested = {"a-kind-of-your-own", "bring-your-own-data", "export-a-model", "log-to-a-tracker", "look-inside"}
    assert with_code == tested | {"past-one-machine", "run-a-class", "run-on-a-gpu", "write-a-plugin", "your-net"}


@pytest.mark.slow
def test_the_handbook_is_a_site_that_loads_nothing_from_a_network(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", ROOT / "docs", tmp_path / "site"]
    subprocess.run(build, check=True, capture_output=True)
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"((?:https?:)?//[^\"]+)", page.read_text())
        assert not loaded, f"{page.name} loads {loaded}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "shorter",
    [pytest.param(("--max-steps", "5"), id="five steps"), pytest.param((), id="whole", marks=pytest.mark.nightly)],
)
def test_the_readmes_commands_run_and_end_with_a_site(zoo: Callable[..., Any], shorter: tuple[str, ...]) -> None:
    (block,) = [block for block in blocks("README.md", "sh") if block.startswith("zoo list")]
    run_commands(zoo, block, shorter=shorter)
    assert "Cosine" in Path("site/index.html").read_text()


@pytest.mark.slow
def test_the_plugin_of_the_tutorial_is_installed_benchmarked_and_on_the_board(
    tmp_path: Path, zoo: Callable[..., Any], pip_install: Callable[..., Path]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text(blocks("docs/write-a-plugin.md", "toml")[0])
    (source / "zoo_tiny.py").write_text(blocks("docs/write-a-plugin.md", "python")[0])
    pip_install(source, plugins=["zoo-tiny"])
    run_commands(zoo, blocks("docs/write-a-plugin.md", "sh")[0])
    assert "zoo-tiny:tiny" in "".join(path.read_text() for path in Path("site").rglob("*.html"))


@pytest.mark.slow
def test_the_logger_of_its_page_writes_what_the_page_says(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    page = "docs/log-to-a-tracker.md"
    make_plugin("zoo-lines", blocks(page, "python")[0])
    for block in blocks(page, "sh"):
        run_commands(zoo, block)
    assert list(Path("runs").glob("*/events.out.tfevents.*"))
    (line,) = Path("trials.txt").read_text().splitlines()
    assert re.fullmatch(r"zoo-cosine:cosine zoo-cosine:mlp seed 0: ok, mse \d+\.\d+", line)


@pytest.mark.slow
@pytest.mark.parametrize(
    "boxed",
    [pytest.param(False, id="no sandbox"), pytest.param(True, id="as it is", marks=pytest.mark.nightly)],
)
def test_a_class_is_run_graded_and_shown_as_its_page_says(zoo: Callable[..., Any], boxed: bool) -> None:
    made = Path("my-class/class.toml")
    for language, code in (item for item in fenced(ROOT / "docs" / "run-a-class.md") if item[0] != "text"):
        if language == "python":
            run_script("-c", code)
            if not boxed:  # a trial in the sandbox starts two interpreters
                settings = made.read_text().replace("sandbox = true", "sandbox = false")
                made.write_text(settings.replace("hide_labels = true", "hide_labels = false"))
            continue
        if "forget" in code:
            grades = Path("my-class/out/grades.csv").read_text(encoding="utf-8-sig").splitlines()
            assert [line.partition(",")[0] for line in grades] == ["name", "Anna Berg", "Борис Эк"]
            assert Path("my-class/out/board/index.html").is_file()
        run_commands(zoo, code)
    assert "Anna Berg" not in "".join(path.name for path in Path("my-class").rglob("*"))


@pytest.mark.slow
def test_a_net_without_a_package_is_measured_as_its_page_says(zoo: Callable[..., Any]) -> None:
    for name, source in zip(("net", "own_loss", "notebook"), blocks("docs/your-net.md", "python"), strict=True):
        Path(f"{name}.py").write_text(source)
    run_script("notebook.py")
    for block in blocks("docs/your-net.md", "sh"):
        run_commands(zoo, block)
    pages = "".join(path.read_text() for path in Path("site").rglob("*.html"))
    assert "net.net" in pages
    assert "notebook.my-net" in pages
