"""The site in Chromium, opened from files without a network: content, interaction and accessibility."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from scipy import stats
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.records.trials import summarise_trial
from zoo_leaderboard.site.build import build_site as build
from zoo_leaderboard.stats.comparison import difference
from zoo_leaderboard.text.formats import number, score
from zoo_leaderboard.text.names import file_name

from zoo_core.results.records import Load, Measured, PhaseFacts, ProfileFacts, Record, TableFacts
from zoo_core.results.store import Store

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[dev]'")
axe = pytest.importorskip("axe_playwright_python.base", reason="no axe-core: pip install -e '.[dev]'")
Page, expect = playwright.Page, playwright.expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium, then these tests run")

WIDTHS, SCHEMES = (360, 1440), ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CONFUSED = np.full((3, 3), 5) + np.eye(3, dtype=int) * 80


def later(record: Record, day: int, shift: float) -> Record:
    """The same trial measured again in February with other code and a shifted score."""
    return msgspec.structs.replace(
        record,
        id=f"{record.id}-day{day}",
        started_at=f"2026-02-{day:02d}T0{record.seed}:00:00.000000+00:00",
        model=msgspec.structs.replace(record.model, code_sha256=f"{day}" * 64),
        measured=msgspec.structs.replace(
            record.measured,
            scores={"accuracy": record.score + shift},
            per_example="",  # type: ignore[operator]
        ),
    )


def full(record: Record) -> Record:
    """The record with everything that a trial's page can show."""
    tables = {
        "confusion": TableFacts(
            columns=["truth", "a", "b", "c"], rows=[["abc"[n], *map(int, CONFUSED[n])] for n in range(3)]
        ),
        "per class": TableFacts(columns=["class", "recall", "n"], rows=[["a", 0.9, 100], ["b", 1 / 3, 100]]),
    }
    return msgspec.structs.replace(
        record,
        phases=[PhaseFacts(name="data", seconds=0.25), PhaseFacts(name="train", seconds=14.5)],
        environment={"machine": "abcdef", "cpu": "A processor @ 2.60 GHz", "packages": {"torch": "2.10.0"}},
        measured=msgspec.structs.replace(
            record.measured,
            tables=tables,
            val_scores={"accuracy": 0.8},
            load=Load(cpu_s=4.0, wall_s=10.0),
            peak_memory_mib=12.5,
            profile=ProfileFacts(
                what="time",
                steps=5,
                table=TableFacts(
                    columns=["operator", "calls", "cpu_ms", "share_pct"], rows=[["aten::mm", 2.0, 0.5, 90.0]]
                ),
                trace="trace.json.gz",
            ),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SmallBoard:
    """A small board with what the planted one lacks (a history, full trials, an import), and its records."""

    site: Path
    records: list[Record]
    results: Path


@pytest.fixture(scope="module")
def small_board(planted, benchmark_facts, tmp_path_factory) -> SmallBoard:
    folder = tmp_path_factory.mktemp("small_board")
    store = Store(folder / "results")
    source = Store(planted.results)
    kept = [
        r
        for r in source.read()
        if r.task.name == "zoo-p:tie" and r.device.kind == "cpu" and r.model.name[-2:] in ("10", "11")
    ]
    for record in kept:
        store.save(full(record) if record.seed == 0 else record)
        shutil.copytree(source.artifacts(record), store.artifacts(record), dirs_exist_ok=True)
        store.save(later(record, 3, 0.02))
        store.save(later(record, 5, -0.06))
    facts = {"measured": Measured(), "seed": 9, "started_at": "2026-02-06T00:00:00.000000+00:00"}
    trace = "Traceback (most recent call last):\n" + f"  File 'net.py', line 3, in {'a_long_name_' * 12}\n" * 4
    why = {"reason": "ValueError: wanted 3 channels, got 1", "traceback": trace}
    store.save(msgspec.structs.replace(kept[0], id="failed", key="failed", status="error", **facts, **why))
    store.save(
        msgspec.structs.replace(kept[0], id="skipped", key="skipped", status="skipped", reason="no data", **facts)
    )
    store.save(
        msgspec.structs.replace(
            kept[0], id="imported", key="imported", source="pytest-benchmark", benchmark=benchmark_facts, **facts
        )
    )
    build([folder / "results"], folder / "site")
    return SmallBoard(site=folder / "site", records=kept, results=folder / "results")


def trial_page(small_board: SmallBoard, words: str) -> str:
    return next(
        path for path in sorted(small_board.site.glob("trials/*.html")) if words in path.read_text("utf-8")
    ).as_uri()


def compare_page(site: Path, task: str, *models: str) -> str:
    """The address that compares rows of a task's first group."""
    keys = [key_of(site, task, model) for model in models]
    return compare_address(site, [("task", file_name(task)), *(("row", key) for key in keys)])


def compare_address(site: Path, query: list[tuple[str, str]]) -> str:
    return f"{(site / 'compare.html').as_uri()}?{urlencode(query)}"


def script_data(site: Path, task: str) -> dict[str, Any]:
    """What the compare page reads of a task."""
    text = (site / "data" / f"{file_name(task)}.js").read_text("utf-8")
    return json.loads(text.partition("] = ")[2].rstrip().rstrip(";"))  # type: ignore[no-any-return]


def key_of(site: Path, task: str, label: str) -> str:
    return next(row["key"] for row in script_data(site, task)["groups"][0]["rows"] if row["label"] == label)


KINDS = (
    *("index", "task", "task with old versions", "task with hostile names", "model"),
    *("small index", "small task", "small model", "trial", "failed trial", "history", "compare", "compare trials"),
    *("mistakes", "hardware"),
)
# Seconds for each look: the small board shows the same parts in every look, these show what is planted in one or two.
LARGE = {
    "index": ("360 px, dark", "1440 px, light"),
    "model": ("360 px, light", "1440 px, dark"),
    "task": ("1440 px, dark",),
    "task with old versions": ("1440 px, light",),
    "task with hostile names": ("360 px, dark",),
    "mistakes": ("360 px, dark", "1440 px, light"),
    "hardware": ("360 px, light",),
}


@pytest.fixture(scope="module")
def addresses(planted, small_board) -> dict[str, str]:
    """Every kind of page."""
    hostile = next(planted.site.glob("tasks/script*.html"))
    trials = [path.stem for path in sorted(small_board.site.glob("trials/*.html"))][:3]
    small = {
        folder: next(small_board.site.glob(f"{folder}/*.html")).as_uri() for folder in ("tasks", "models", "history")
    }
    return {
        "index": (planted.site / "index.html").as_uri(),
        "task": page_of(planted.site, "zoo-p:failed"),
        "task with old versions": page_of(planted.site, "zoo-p:stale-task"),
        "task with hostile names": hostile.as_uri(),
        "model": (planted.site / "models" / f"{file_name('zoo-p:m11')}.html").as_uri(),
        "small index": (small_board.site / "index.html").as_uri(),
        "small task": small["tasks"],
        "small model": small["models"],
        "trial": trial_page(small_board, "Confusion matrix"),
        "failed trial": trial_page(small_board, "Traceback"),
        "history": small["history"],
        "mistakes": mistakes_page(planted.site),
        "hardware": (planted.site / "hardware.html").as_uri(),
        "compare": compare_page(small_board.site, "zoo-p:tie", "m10", "m11"),
        "compare trials": compare_address(small_board.site, [("trial", name) for name in trials]),
    }


def mistakes_page(site: Path, **query: str) -> str:
    address = (site / "mistakes" / f"{file_name('zoo-p:tie')}.html").as_uri()
    return f"{address}?{urlencode(query)}" if query else address


def page_of(site: Path, task: str) -> str:
    return (site / "tasks" / f"{file_name(task)}.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Visits:
    """Opens pages without a network; keeps their network `requests` and each page's `complaints` (console, errors)."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900}, **options)
        self.context.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: dict[Any, list[str]] = {}
        self.context.route(re.compile(r"^(?!file:)"), self._refuse)

    def _refuse(self, route: Any) -> None:
        self.requests.append(route.request.url)
        route.abort()

    @contextlib.contextmanager
    def to(self, address: str, *, accept: str = "") -> Iterator[Any]:
        """Open a page. On exit it must have made no network request, and no complaint that `accept` does not match."""
        page = self.context.new_page()
        complaints = self.complaints[page] = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith("file:") or self.requests.append(request.url))

        def dismiss(dialog: Any) -> None:
            complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        page.on("dialog", dismiss)
        page.goto(address)
        yield page
        page.wait_for_load_state()
        page.close()
        assert [complaint for complaint in complaints if not (accept and re.search(accept, complaint))] == []
        assert self.requests == []


@pytest.fixture(scope="module")
def visits(browser) -> Iterator[Visits]:
    found = Visits(browser)
    yield found
    found.context.close()


@pytest.fixture(scope="module")
def without_scripts(browser) -> Iterator[Visits]:
    found = Visits(browser, java_script_enabled=False)
    yield found
    found.context.close()


@pytest.fixture
def task(visits, planted) -> Callable[..., contextlib.AbstractContextManager[Any]]:
    """Visits the page of a planted task: `task("winner", sort="model:up")`."""
    return lambda name, **query: visits.to(
        page_of(planted.site, f"zoo-p:{name}") + (f"?{urlencode(query)}" if query else "")
    )


def looks(page: Any) -> Iterator[str]:
    """Set each width and colour scheme in turn; yields a name for each combination."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            yield f"{width} px, {scheme}"


def open_details(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")


def wake_plots(page: Any) -> None:
    """Scroll to every plot, so that the script draws it."""
    page.evaluate("document.querySelectorAll('figure[data-plot]').forEach(figure => figure.scrollIntoView())")
    page.wait_for_function(
        "() => [...document.querySelectorAll('figure[data-plot]')].every(figure => {"
        " if (figure.querySelector('.live')) return true; figure.scrollIntoView(); return false; })",
        polling=50,
    )
    page.evaluate("scrollTo(0, 0)")


def luminance(colour: Any) -> float:
    """Relative luminance as WCAG 2 defines it, of (red, green, blue) of 0 to 255."""
    parts = np.asarray(colour, dtype=float) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: Any, second: Any) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def style(page: Any, selector: str, name: str) -> list[int]:
    value = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{name}")
    return [int(part) for part in re.findall(r"\d+", value)[:3]]


# --- every kind of page ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shown(kind, visits, addresses) -> Iterator[Any]:
    """A page of this kind, opened once for all tests of every kind."""
    with visits.to(addresses[kind]) as page:
        open_details(page)
        wake_plots(page)
        yield page


def test_a_page_logs_no_errors_and_makes_no_network_request(shown, visits):
    shown.wait_for_load_state("load")
    assert shown.locator("h1").count() == 1
    assert visits.complaints[shown] == []
    assert visits.requests == []


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_a_page_is_no_wider_than_the_window(width, shown):
    shown.set_viewport_size({"width": width, "height": 900})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_the_background_follows_the_preferred_colour_scheme(shown):
    for scheme in SCHEMES:
        shown.emulate_media(color_scheme=scheme)
        ground, ink = style(shown, "body", "backgroundColor"), style(shown, "h1", "color")
        assert (luminance(ground) < 0.02) if scheme == "dark" else (luminance(ground) > 0.9)
        assert contrast(ground, ink) > 7


def test_axe_finds_no_violation_in_either_width_and_scheme(kind, shown):
    options = {"runOnly": RULES, "resultTypes": ["violations"], "preload": False}  # else it fetches the stylesheet
    found = {}
    shown.evaluate(axe.AXE_SCRIPT)  # through the debugger: the pages' policy forbids scripts within them
    for look in looks(shown):
        if kind in LARGE and look not in LARGE[kind]:
            continue
        result = shown.evaluate("options => axe.run(document, options)", options)
        assert len(result["passes"]) > 10
        found[look] = [(item["id"], [node["html"] for node in item["nodes"]]) for item in result["violations"]]
    assert {look: violations for look, violations in found.items() if violations} == {}


def test_without_scripts_every_row_of_every_table_can_be_seen(kind, without_scripts, addresses):
    with without_scripts.to(addresses[kind]) as page:
        for summary in page.locator("summary:visible").all():
            summary.click()
        rows = page.locator("tbody tr")
        assert rows.count() > 0
        assert page.locator("tbody tr:visible").count() == rows.count()
        assert page.locator("#tools:visible, button:visible, input:visible").count() == 0


def test_without_scripts_the_compare_page_explains_itself_and_links_the_data(without_scripts, planted):
    with without_scripts.to((planted.site / "compare.html").as_uri()) as page:
        words = page.locator("noscript p")  # its text is not found by Playwright's own search for words
        expect(words).to_be_visible()
        assert words.inner_text().startswith("This page needs JavaScript")
        assert "zoo results compare A B" in words.inner_text()
        links = [a.get_attribute("href") for a in page.locator("main td a:visible").all()]
    assert len(links) == 20
    assert all((planted.site / link).is_file() for link in links)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_plot_colours_follow_the_colour_scheme(scheme, without_scripts, planted):
    image = pytest.importorskip("PIL.Image")
    with without_scripts.to(page_of(planted.site, "zoo-p:winner")) as page:
        page.emulate_media(color_scheme=scheme)
        plot = page.locator(".plot img").first
        plot.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        pixels = np.asarray(image.open(io.BytesIO(plot.screenshot())).convert("RGB"))
        ground = style(page, "body", "backgroundColor")
    assert abs(pixels[0, 0].astype(int) - ground).max() <= 2  # the plot has no ground of its own
    labels = pixels[:, : pixels.shape[1] // 10].reshape(-1, 3)  # those of the vertical axis
    assert max(contrast(colour, ground) for colour in np.unique(labels, axis=0)) > 4.5


# --- sorting, filtering, columns, permalinks ------------------------------------------------------------------------


def models(page: Any, group: int = 0) -> list[str]:
    """The models of a visible table, in displayed order."""
    return page.locator("section.group:visible").nth(group).locator("table.board tbody tr .name").all_inner_texts()


def head(page: Any, column: str, group: int = 0) -> Any:
    return page.locator("section.group:visible").nth(group).locator(f"th[data-col={column}]")


def up(*left_out: str) -> list[str]:
    return [name for name in (f"m{number:02d}" for number in range(12)) if name not in left_out]


def test_clicking_a_column_sorts_it_and_clicking_again_reverses_it(task):
    with task("winner") as page:
        assert models(page) == up()[::-1]
        head(page, "parameters").get_by_role("button").click()
        assert models(page) == up()
        assert head(page, "parameters").get_attribute("aria-sort") == "ascending"
        assert models(page, 1) == up()
        head(page, "parameters").get_by_role("button").click()
        assert models(page) == up()[::-1]
        assert head(page, "parameters").get_attribute("aria-sort") == "descending"
        head(page, "model").get_by_role("button").click()
        assert models(page) == up()
        assert page.locator("section.group").first.locator("[aria-sort]").count() == 1


def test_unknown_values_come_last_in_both_sort_directions(task):
    with task("failed") as page:
        head(page, "score").get_by_role("button").click()
        assert models(page) == [*up("m00")[::-1], "m00"]
        head(page, "score").get_by_role("button").click()
        assert models(page) == [*up("m00"), "m00"]


@pytest.mark.parametrize(
    ("column", "best"),
    [("score", "m11"), ("parameters", "m00"), ("speed-cpu", "m00"), ("latency-cpu", "m00"), ("rank", "m11")],
)
def test_the_first_click_on_a_column_puts_the_best_first(column, best, task):
    with task("winner") as page:
        head(page, column).get_by_role("button").click()
        assert models(page)[0] == best
        head(page, column).get_by_role("button").click()
        assert models(page)[-1] == best


def test_unreliable_times_are_sorted_by_the_number_that_is_shown(task):
    with task("disturbed") as page:
        head(page, "train").get_by_role("button").click()
        table = page.locator("section.group").first.locator("table.board")
        cells = table.locator("tbody td:nth-child(6)").all_inner_texts()
        seconds = [float(re.match(r"[\d.]+", text)[0]) for text in cells]  # type: ignore[index]
        assert seconds == sorted(seconds)
        assert any("unreliable" in text for text in cells)


def test_a_missed_target_sorts_behind_those_met(task):
    with task("target") as page:
        head(page, "target").get_by_role("button").click()
        assert models(page)[-1] == "m06"
        head(page, "target").get_by_role("button").click()
        assert models(page)[0] == "m06"


def test_a_column_is_sorted_by_keyboard(task):
    with task("winner") as page:
        page.locator("#f-q").focus()
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.closest('th')?.dataset.col") == "parameters":
                break
        page.keyboard.press("Enter")
        assert models(page) == up()
        page.keyboard.press("Space")
        assert models(page) == up()[::-1]
        assert style(page, "th[data-col=parameters] button", "outlineWidth") == [3]


def test_text_and_device_filters_update_the_row_count(task):
    with task("winner") as page:
        count = page.locator("#shown")
        expect(count).to_have_text("24 rows")
        page.locator("#f-q").fill("M1")
        expect(count).to_have_text("4 of 24 rows")
        assert models(page) == models(page, 1) == ["m11", "m10"]
        page.locator("#f-device").select_option("cuda")
        expect(count).to_have_text("2 of 24 rows")
        assert page.locator("section.group:visible").count() == 1
        page.locator("#f-q").fill("nothing is called so")
        expect(count).to_have_text("0 of 24 rows")
        assert models(page) == []
        page.locator("#f-q").fill("")
        expect(count).to_have_text("12 of 24 rows")
        assert models(page) == up()[::-1]


def test_the_plugin_filter_accepts_hostile_names(visits, addresses):
    with visits.to(addresses["task with hostile names"]) as page:
        page.locator("#f-plugin").select_option("<script>alert(1)</script>")
        expect(page.locator("#shown")).to_have_text("4 of 24 rows")
        assert models(page) == ["<script>alert(1)</script>7", "<script>alert(1)</script>0"]


def test_the_column_picker_hides_and_shows_a_column(task):
    with task("winner") as page:
        page.locator("#columns summary").click()
        box = page.locator("#columns").get_by_label("Parameters")
        expect(box).to_be_checked()
        cells = page.locator("section.group").first.locator("tbody tr").first.locator("td, th")
        before = cells.locator("visible=true").all_inner_texts()
        assert "12,000" in before
        box.uncheck()
        after = cells.locator("visible=true").all_inner_texts()
        assert after == [text for text in before if text != "12,000"]
        expect(head(page, "parameters")).to_be_hidden()
        box.check()
        expect(head(page, "parameters")).to_be_visible()


def seen(page: Any) -> list[str]:
    """The visible text of the tables."""
    return [table.inner_text() for table in page.locator("table.board:visible").all()]


def test_the_address_restores_the_view(task, visits):
    with task("winner") as page:
        head(page, "latency-cpu").get_by_role("button").click()
        head(page, "latency-cpu").get_by_role("button").click()
        page.locator("#f-q").fill("m0")
        page.locator("#f-device").select_option("cpu")
        page.locator("#columns summary").click()
        page.locator("#columns").get_by_label("Parameters").uncheck()
        page.locator("#columns").get_by_label("Seeds").uncheck()
        address, view = page.url, seen(page)
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert query == {"sort": "latency-cpu:down", "q": "m0", "device": "cpu", "hide": "parameters seeds"}
    with visits.to(address) as page:
        assert seen(page) == view
        assert models(page) == up("m10", "m11")[::-1]
        assert page.locator("#f-q").input_value() == "m0"
        assert page.locator("#f-device").input_value() == "cpu"
        expect(page.locator("#shown")).to_have_text("10 of 24 rows")
        page.locator("#columns summary").click()
        expect(page.locator("#columns").get_by_label("Seeds")).not_to_be_checked()


def test_rows_are_grouped_and_coloured_by_a_recipe_key(visits, record, save, results, tmp_path):
    pairs = [(name, lr) for lr in (10, 2) for name in ("sgd", "adam")]
    save(*(record(recipe={"optimizer": name, "lr": lr}, score=lr / 20 - (name == "adam") / 9) for name, lr in pairs))
    build([results], tmp_path / "site")
    with visits.to(f"{page_of(tmp_path / 'site', 'zoo-a:digits')}?by=lr") as page:
        heads = page.locator("tr.by")
        assert heads.all_inner_texts() == ["lr = 2", "lr = 10"]
        assert page.locator("tr[data-by='1']").count() == 2
        page.select_option("#f-by", "optimizer")
        assert heads.all_inner_texts() == ["optimizer = adam", "optimizer = sgd"]
        assert "by=optimizer" in page.url
        page.select_option("#f-by", "")
        assert heads.count() == page.locator("tr[data-by]").count() == 0
        assert page.locator("table.board tbody tr").count() == 4
        page.select_option("#f-by", "lr")
        page.evaluate(axe.AXE_SCRIPT)
        result = page.evaluate("options => axe.run(document, options)", {"runOnly": RULES, "preload": False})
    assert [violation["id"] for violation in result["violations"]] == []


def test_an_address_with_choices_that_do_not_exist_shows_everything(task):
    with task("winner", sort="nothing:up", device="abacus", hide="nothing") as page:
        expect(page.locator("#shown")).to_have_text("24 rows")
        assert models(page) == up()[::-1]


# --- comparing ------------------------------------------------------------------------------------------------------


def comparison(page: Any) -> dict[str, list[str]]:
    """The values of the compare page's table, by row name."""
    page.locator("table.comparison").wait_for()
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("table.comparison tr").all()]
    return {name: values for name, *values in rows}


def between(low: float, high: float) -> str:
    return f"{score(low)} to {score(high)}"


def test_two_models_ticked_on_a_tasks_page_are_compared_as_scipy_does(task, planted):
    scores = {
        name: [
            r.score
            for r in Store(planted.results).read()
            if (r.task.name, r.model.name, r.device.kind) == ("zoo-p:winner", f"zoo-p:{name}", "cpu")
        ]
        for name in ("m11", "m10")
    }
    with task("winner") as page:
        button = page.get_by_role("button", name="Compare selected")
        expect(button).to_be_disabled()
        page.locator("section.group").first.get_by_label("Compare m11").check()
        expect(button).to_be_disabled()
        page.locator("section.group").first.get_by_label("Compare m10").check()
        button.click()
        page.wait_for_url("**/compare.html?**")
        found = comparison(page)
    welch = stats.ttest_ind(scores["m10"], scores["m11"], equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert found["Quantity"] == ["m11", "m10"]
    assert found["Accuracy"] == [score(np.mean(scores[name])) for name in ("m11", "m10")]
    assert found["Difference"][1] == score(np.mean(scores["m10"]) - np.mean(scores["m11"]))
    assert found["95 % CI of the difference"][1] == between(interval.low, interval.high)
    assert found["p-value (corrected)"][1] == "< 0.0001"
    assert found["Verdict"] == ["\N{EN DASH}", "worse"]
    assert found["Parameters"] == ["12,000", "11,000"]
    assert found["Latency (ms)"] == [number(2.102), number(2.002)]


def test_the_verdict_is_in_words_and_its_baseline_is_chosen(visits, planted):
    size = r"by 0\.3400 \(95 % CI (.*) to (.*)\), significant after correction for all pairs of the table"
    with visits.to(compare_page(planted.site, "zoo-p:winner", "m10", "m11")) as page:
        verdict = page.locator(".verdicts li")
        expect(verdict).to_have_count(1)
        better = re.match(f"m11 is better than m10 {size}", verdict.inner_text())
        page.locator("#baseline").select_option(label="m11")
        worse = re.match(f"m10 is worse than m11 {size}", verdict.inner_text())
        assert better
        assert worse
        assert better.groups() == worse.groups()
        found, address = comparison(page), page.url
    assert found["Quantity"] == ["m10", "m11"]
    assert found["Difference"] == ["-0.3400", "\N{EN DASH}"]
    with visits.to(address) as page:
        assert page.locator("#baseline option:checked").inner_text() == "m11"


def test_two_equal_models_show_no_difference_and_their_shared_ranks(visits, planted):
    with visits.to(compare_page(planted.site, "zoo-p:tie", "m10", "m11")) as page:
        words = page.locator(".verdicts li").inner_text()
        found = comparison(page)
    assert words.startswith("No difference seen between m11 and m10: the difference is 0.0000 (95 % CI -")
    assert found["Verdict"][1] == "no difference seen"
    assert found["Rank"] == ["1\N{EN DASH}2", "1\N{EN DASH}2"]


def test_provisional_disturbed_and_old_rows_keep_their_marks_when_compared(visits, planted):
    with visits.to(compare_page(planted.site, "zoo-p:one-seed", "m11", "m10")) as page:
        assert comparison(page)["Marks"] == ["provisional", "\N{EN DASH}"]
    with visits.to(compare_page(planted.site, "zoo-p:disturbed", "m05", "m06")) as page:
        found = comparison(page)
    assert found["Marks"] == ["timing unreliable", "\N{EN DASH}"]
    assert [text.endswith("(unreliable)") for text in found["Train time (s)"]] == [True, False]
    with visits.to(compare_page(planted.site, "zoo-p:stale-model", "m11", "m10")) as page:
        expect(page.locator(".verdicts li")).to_contain_text("m11 is out of date")
        assert comparison(page)["Marks"][0] == "out of date"


def test_ranks_that_differ_because_of_another_pair_are_explained(visits, record, save, results, tmp_path):
    tables = {"a": (0.96875, 2.0**-10), "b": (0.75, 0.25), "c": (0.75, 2.0**-10)}  # mean, step from seed to seed
    save(
        *(
            record(model=f"zoo-a:{name}", seed=seed, score=mean + (seed - 1) * step)
            for name, (mean, step) in tables.items()
            for seed in range(3)
        )
    )
    build([results], tmp_path / "site")
    with visits.to(compare_page(tmp_path / "site", "zoo-a:digits", "a", "b")) as page:
        words, found = page.locator(".verdicts li").inner_text(), comparison(page)
    assert words.startswith("No difference seen between b and a")
    assert words.endswith("ranks follow the means, and other pairs in between differ significantly.")
    assert found["Rank"] == ["1", "2\N{EN DASH}3"]


@pytest.mark.parametrize(("first", "second"), [("m09", "m11"), ("m11", "m09")])
def test_models_are_compared_by_example_in_either_order(first, second, visits, planted):
    records = [r for r in Store(planted.results).read() if r.task.name == "zoo-p:tie" and r.device.kind == "cpu"]
    store = Store(planted.results)

    def sample_of(model: str) -> Any:
        own = [record for record in records if record.model.name == f"zoo-p:{model}"]
        return load_sample([summarise_trial(r, str(store.artifacts(r).with_suffix(".json"))) for r in own])

    expected = difference(sample_of(second), sample_of(first))
    assert expected.method == "paired by example"
    with visits.to(compare_page(planted.site, "zoo-p:tie", first, second)) as page:
        found = comparison(page)
    assert found["Quantity"] == [first, second]
    assert found["Difference"][1] == score(expected.difference)
    assert found["95 % CI of the difference"][1] == between(expected.low, expected.high)


def test_compared_numbers_equal_those_of_the_data_file(visits, planted):
    data = json.loads((planted.site / "data" / f"{file_name('zoo-p:target')}.json").read_text("utf-8"))
    rows = {row["model"].partition(":")[2]: row for row in data["groups"][0]["models"]}
    with visits.to(compare_page(planted.site, "zoo-p:target", "m07", "m06", "m05")) as page:
        found = comparison(page)
    for place, name in enumerate(("m07", "m06", "m05")):
        row = rows[name]
        assert found["Accuracy"][place] == score(row["score"])
        assert found["95 % CI"][place] == between(row["low"], row["high"])
        assert found["Rank"][place] == "\N{EN DASH}".join(
            str(rank) for rank in dict.fromkeys((row["rank"], row["rank_high"]))
        )
        assert found["Time to target (s)"][place] == number(row["time_to_target_s"])
    assert found["Time to target (s)"][1] == "\N{EN DASH}"  # missed


def test_trials_in_the_address_are_compared_with_the_error_over_their_examples(visits, small_board):
    first, second = (record for record in small_board.records if record.seed == 1)
    means, intervals = [], []
    for record in (first, second):
        with np.load(Store(small_board.results).artifacts(record) / "per_example.npz") as kept:
            means.append(kept["score"].mean())
            exact = stats.binomtest(int(kept["score"].sum()), len(kept["score"])).proportion_ci(method="exact")
            intervals.append((exact.low, exact.high))
    (low, high), (second_low, second_high) = intervals
    query = urlencode([("trial", file_name(record.id)) for record in (first, second)])
    with visits.to(f"{(small_board.site / 'compare.html').as_uri()}?{query}") as page:
        found = comparison(page)
    gap = means[1] - means[0]
    gap_low = gap - np.hypot(means[1] - second_low, high - means[0])  # Newcombe (1998)
    gap_high = gap + np.hypot(second_high - means[1], means[0] - low)
    assert found["Quantity"] == [f"{record.model.name.partition(':')[2]}, seed 1" for record in (first, second)]
    assert found["Difference"][1] == score(gap)
    assert found["95 % CI of the difference"][1] == between(gap_low, gap_high)
    assert found["95 % CI"] == [between(*ends) for ends in intervals]
    assert found["Status"] == ["ok", "ok"]


def test_models_are_selected_on_the_compare_page_itself(visits, planted):
    with visits.to((planted.site / "compare.html").as_uri()) as page:
        page.get_by_role("link", name="Winner").click()
        choice = page.locator("#compare details").first
        choice.get_by_label("m03").check()
        choice.get_by_label("m04").check()
        choice.get_by_role("button").click()
        page.wait_for_url("**row=**")
        assert comparison(page)["Quantity"] == ["m04", "m03"]


def test_models_that_may_not_be_compared_are_left_out_with_a_reason(visits, planted):
    groups = script_data(planted.site, "zoo-p:winner")["groups"]
    keys = [groups[0]["rows"][0]["key"], groups[0]["rows"][1]["key"], groups[1]["rows"][0]["key"]]
    query = urlencode([("task", file_name("zoo-p:winner")), *(("row", key) for key in keys)])
    with visits.to(f"{(planted.site / 'compare.html').as_uri()}?{query}") as page:
        assert comparison(page)["Quantity"] == ["m11", "m10"]
        expect(page.locator("#compare")).to_contain_text("measured with other data")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("task=no-such-task", "This site has no task called no-such-task."),
        ("trial=no-such-trial", "This site has no trial page called no-such-trial."),
        ("task=../../etc/passwd", "The address contains an invalid task name."),
        ("trial=<img src=x onerror=alert(1)>", "The address contains an invalid trial name."),
        ("task=https://example.org/x", "The address contains an invalid task name."),
        ("task={winner}&row=r-1&row=r-2", "This task does not have all models named in the address."),
    ],
)
def test_a_bad_name_in_the_address_gets_an_error_message(query, words, visits, planted):
    query = quote(query.format(winner=file_name("zoo-p:winner")), safe="=&/:")
    address = f"{(planted.site / 'compare.html').as_uri()}?{query}"
    with visits.to(address, accept="ERR_FILE_NOT_FOUND") as page:
        expect(page.locator("#compare .bad")).to_contain_text(words)
        assert page.locator("#compare img").count() == 0


# --- hostile names --------------------------------------------------------------------------------------------------


def test_hostile_names_are_only_text_on_a_tasks_page(visits, addresses):
    with visits.to(addresses["task with hostile names"]) as page:  # an alert would be a complaint
        names = models(page)
        assert len(names) == 12
        assert {"<script>alert(1)</script>7", "'\"><img src=x onerror=alert(1)>8", "{{7*7}}{% raw %}9"} <= set(names)
        assert page.locator("script").count() == 1
        assert page.locator("img[src=x], [onerror]").count() == 0
        assert "49" not in " ".join(names)
        assert page.locator("h1").inner_text() == "<script>alert(1)</script>"
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.locator("body").inner_text())


def test_hostile_names_are_only_text_on_the_compare_page(visits, planted):
    data = script_data(planted.site, "<script>alert(1)</script>")
    labels = [row["label"] for row in data["groups"][0]["rows"]]
    with visits.to(compare_page(planted.site, "<script>alert(1)</script>", *labels)) as page:
        assert comparison(page)["Quantity"] == labels
        assert page.locator("#compare").locator("img, script, [onerror]").count() == 0
        assert page.locator("script").count() == 2  # the site's own and the task's data
        page.set_viewport_size({"width": 360, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


# --- a budget, a baseline, and the view in the address --------------------------------------------------------------


def test_a_budget_names_the_best_model_that_fits_and_those_it_cannot_be_told_apart_from(task):
    with task("winner") as page:
        page.locator("[data-most=parameters]").fill("6k")
        answer = page.locator(".answer.budget").first
        expect(answer).to_have_text(
            "Best under this budget: m05, 0.6050 (Parameters 6,000). "
            "Not told apart from it: m04, m03, m02, m01, m00. 6 of 12 rows fit."
        )
        assert models(page) == up()[5::-1]
        page.locator("[data-most=parameters]").fill("0.5")
        expect(answer).to_have_text("No model with a score fits this budget. 0 of 12 rows fit.")
        page.locator("[data-most=parameters]").fill("")
        expect(page.locator(".answer.budget")).to_have_count(0)
        assert models(page) == up()[::-1]


def test_of_several_limits_each_must_hold_and_a_certain_winner_is_said_to_be_one(task):
    with task("winner") as page:
        page.locator("[data-most=parameters]").fill("12k")
        page.locator("[data-most=latency]").fill("2.2")
        expect(page.locator(".answer.budget").first).to_contain_text("Best under this budget: m11, 0.9500 (Latency")
        expect(page.locator(".answer.budget").first).to_contain_text("It ranks above all other ranked models that fit.")
        page.locator("[data-most=latency]").fill("1.25")
        assert models(page) == ["m02", "m01", "m00"]


def test_unreliable_times_fit_no_budget_and_are_counted(task):
    with task("disturbed") as page:
        page.locator("[data-most=train]").fill("1000")
        assert "m05" not in models(page)
        expect(page.locator(".answer.budget").first).to_contain_text(
            "11 of 12 rows fit; 1 lack a known, reliable value."
        )


def test_a_limit_that_is_no_number_is_marked_and_hides_nothing(task):
    with task("winner") as page:
        field = page.locator("[data-most=memory]")
        field.fill("<b>")
        assert field.get_attribute("aria-invalid") == "true"
        assert models(page) == up()[::-1]


def test_the_difference_to_a_baseline_is_a_column_with_the_verdict_of_the_table(task, planted):
    pairs = script_data(planted.site, "zoo-p:winner")["groups"][0]["pairs"]
    with task("winner") as page:
        before = page.locator("section.group").first.locator("table.board tbody tr").first.inner_text()
        page.locator("#f-base").select_option("m10")
        cells = page.locator("section.group").first.locator("table.board tbody tr td:nth-child(4)")
        expect(cells.first).to_have_text("+0.3400better")
        difference_, low, high, p = pairs[
            f"{key_of(planted.site, 'zoo-p:winner', 'm11')} {key_of(planted.site, 'zoo-p:winner', 'm10')}"
        ]
        assert difference_ == pytest.approx(0.34)
        assert p <= 0.05
        assert between(low, high) in cells.first.get_attribute("title")
        assert cells.nth(1).inner_text() == "baseline"
        assert cells.nth(2).inner_text().split("\n") == ["-0.0010", "no difference seen"]
        answer = page.locator(".answer.baseline-answer").first.inner_text()
        assert answer.startswith("Against m10, by the test of the table after correction: better: m11; no difference")
        assert "base=m10" in page.url
        head(page, "base").get_by_role("button").click()
        assert models(page)[0] == "m11"
        head(page, "base").get_by_role("button").click()
        assert models(page)[0] == "m00"
        page.locator("#f-base").select_option("")
        expect(head(page, "base")).to_have_count(0)
        head(page, "score").get_by_role("button").click()
        assert page.locator("section.group").first.locator("table.board tbody tr").first.inner_text() == before


def test_ticks_budget_and_baseline_are_in_the_address(task, visits):
    with task("winner") as page:
        page.locator("[data-most=parameters]").fill("9k")
        page.locator("#f-base").select_option("m03")
        first = page.locator("section.group").first
        first.get_by_label("Compare m04").check()
        first.get_by_label("Compare m05").check()
        expect(head(page, "base")).to_be_visible()
        address, view = page.url, seen(page)
    with visits.to(address) as page:
        expect(head(page, "base")).to_be_visible()
        assert seen(page) == view
        first = page.locator("section.group").first
        expect(first.get_by_label("Compare m04")).to_be_checked()
        expect(first.get_by_label("Compare m03")).not_to_be_checked()
        expect(page.get_by_role("button", name="Compare selected")).to_be_enabled()
        expect(page.locator("[data-most=parameters]")).to_have_value("9k")


def test_a_long_table_is_shown_in_whole_by_an_address(visits, record, save, results, tmp_path):
    save(*(record(model=f"zoo-a:m{n:03d}", score=n / 200) for n in range(120)))
    build([results], tmp_path / "site")
    with visits.to(page_of(tmp_path / "site", "zoo-a:digits")) as page:
        assert len(models(page)) == 100
        page.get_by_role("button", name="Show all 120 rows").click()
        assert len(models(page)) == 120
        address = page.url
    with visits.to(address) as page:
        assert len(models(page)) == 120


# --- copying --------------------------------------------------------------------------------------------------------


def catch_copies(page: Any) -> None:
    """Keep what the page copies, because a test has no clipboard."""
    catch = "{ value: { writeText: async text => { window.copied = text; } }, configurable: true }"
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {catch})")


def copied(page: Any) -> str:
    expect(page.locator("#said")).to_have_text("Copied")
    return page.evaluate("window.copied")  # type: ignore[no-any-return]


def test_selected_rows_and_visible_columns_are_copied_as_markdown_latex_and_csv(task):
    hidden = "seeds target train speed-cpu speed-cuda latency-cuda flops memory trials"
    with task("winner", hide=hidden) as page:
        catch_copies(page)
        first = page.locator("section.group").first
        first.get_by_label("Compare m11").check()
        first.get_by_label("Compare m10").check()
        take = first.locator(".take")
        take.get_by_role("button", name="CSV").click()
        rows = list(csv.reader(io.StringIO(copied(page))))
        take.get_by_role("button", name="Markdown").click()
        markdown = copied(page).splitlines()
        take.get_by_role("button", name="LaTeX").click()
        latex = copied(page).splitlines()
    heads = ["Rank", "Model", "Accuracy (95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI)", "Latency (ms), CPU", "Parameters"]
    assert rows[0] == [head.replace("\N{NO-BREAK SPACE}", " ") for head in heads]
    assert [(row[0], row[1], row[4]) for row in rows[1:]] == [
        ("1", "m11", "12,000"),
        ("2\N{EN DASH}12", "m10", "11,000"),
    ]
    assert rows[1][2] == "0.9500 0.9461 to 0.9539"
    assert markdown[1] == "| ---: | --- | ---: | ---: | ---: |"
    assert markdown[2].startswith("| 1 | m11 | 0.9500 0.9461 to 0.9539 |")
    assert latex[1] == r"\begin{tabular}{rlrrr}"
    assert latex[3] == r"  Rank & Model & Accuracy (95 \% CI) & Latency (ms), CPU & Parameters \\"
    assert latex[6].startswith("  2--12 & m10 & ")
    assert latex[-1] == r"\end{tabular}"


def test_hostile_names_are_copied_as_text_of_each_format(visits, addresses):
    with visits.to(addresses["task with hostile names"]) as page:
        catch_copies(page)
        take = page.locator("section.group").first.locator(".take")
        take.get_by_role("button", name="LaTeX").click()
        latex = copied(page)
        take.get_by_role("button", name="Markdown").click()
        markdown = copied(page)
    assert r"\{\{7*7\}\}\{\% raw \%\}9" in latex
    assert r"..\textbackslash{}..\textbackslash{}x" in latex
    assert "<script>" not in markdown
    assert len({line.count(" | ") for line in markdown.splitlines()}) == 1


def test_the_command_of_a_row_is_copied(task):
    with task("winner") as page:
        catch_copies(page)
        page.locator("section.group").first.get_by_role("button", name="Copy command of m03").click()
        assert copied(page) == (
            "zoo bench zoo-p:winner --model zoo-p:m03 --dataset zoo-p:pictures --device cpu --seeds 5"
        )


def test_the_command_of_a_trial_is_copied(visits, small_board):
    with visits.to(trial_page(small_board, "Confusion matrix")) as page:
        catch_copies(page)
        page.get_by_role("button", name="Copy command").click()
        assert re.fullmatch(r"zoo bench zoo-p:tie --model zoo-p:m1\d .* --seeds 1", copied(page))


# --- the index, phones and paper ------------------------------------------------------------------------------------


def test_a_task_is_found_on_the_index_and_the_address_keeps_the_search(visits, planted):
    with visits.to((planted.site / "index.html").as_uri()) as page:
        page.locator("[data-find=q]").fill("one seed")
        expect(page.locator("#found")).to_contain_text("2 of 20 lines")
        page.locator("[data-find=device]").select_option("cuda")
        expect(page.locator("#found")).to_contain_text("1 of 20 lines")
        address = page.url
    with visits.to(address) as page:
        assert page.locator("table.winners tbody tr:visible").count() == 1


def test_a_planted_regression_is_seen_without_scrolling(visits, small_board):
    with visits.to((small_board.site / "index.html").as_uri()) as page:
        box = page.locator(".alert").bounding_box()
        assert box["y"] + box["height"] < 450
        expect(page.locator(".alert h2")).to_have_text("2 regressions")


def test_names_stay_in_view_while_the_columns_scroll(task):
    with task("winner") as page:
        page.set_viewport_size({"width": 390, "height": 800})
        box = page.locator(".scroll:has(table.board)").first
        box.evaluate("box => { box.scrollLeft = 500; }")
        left = box.bounding_box()["x"]
        name = box.locator("tbody th").first.bounding_box()
        assert left - 1 <= name["x"] <= left + 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_controls_are_large_enough_for_fingers(browser, planted, small_board):
    phone = Visits(browser, has_touch=True, is_mobile=True)
    sizes = "all => all.map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect().height])"
    for address in (page_of(planted.site, "zoo-p:winner"), (small_board.site / "index.html").as_uri()):
        with phone.to(address) as page:
            page.set_viewport_size({"width": 390, "height": 800})
            found = page.locator("button:visible, select:visible, input:not([type=checkbox]):visible").evaluate_all(
                sizes
            )
            assert found
            assert [what for what, height in found if height < 43.9] == []
    phone.context.close()


def test_on_paper_the_tables_are_whole_and_the_controls_are_gone(task):
    with task("winner") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator("#tools:visible, button:visible, .take:visible").count() == 0
        assert luminance(style(page, "body", "backgroundColor")) > 0.9
        assert page.locator("table.board tbody tr:visible").count() == 24


def test_a_model_is_found_by_its_name_on_the_index(visits, planted):
    with visits.to((planted.site / "index.html").as_uri()) as page:
        page.locator("[data-find=q]").fill("m07")
        links = page.locator("#all-models a:visible")
        expect(links).to_have_count(1)
        links.click()
        page.wait_for_url("**/models/zoo-p--m07*")


# --- plots that answer ------------------------------------------------------------------------------------------------


@pytest.fixture
def live(task) -> Callable[..., contextlib.AbstractContextManager[Any]]:
    """Visits the page of a planted task and yields page and plot: `live("winner", "latency-ms")`."""

    @contextlib.contextmanager
    def visit(name: str, plot: str) -> Iterator[Any]:
        with task(name) as page:
            figure = page.locator(f"figure[data-plot$='{plot}.svg']").first
            figure.scroll_into_view_if_needed()
            expect(figure.locator(".live-plot")).to_be_visible()
            yield page, figure

    return visit


def tip(figure: Any) -> Any:
    return figure.locator(".tip")


def test_the_pointer_and_the_keys_read_the_values_of_a_plot(live):
    with live("winner", "parameters") as (page, figure):
        svg = figure.locator(".live-plot")
        expect(figure.locator("img")).to_be_hidden()
        svg.focus()
        page.keyboard.press("ArrowRight")
        words = "m11: 0.9500 (0.9461 to 0.9539) at 12,000"
        expect(tip(figure)).to_have_text(words)
        ring = svg.locator("path[stroke-width='2'][fill=none]").last.bounding_box()
        page.keyboard.press("ArrowLeft")
        expect(tip(figure)).to_contain_text("m10: 0.6100")
        page.keyboard.press("Escape")
        expect(tip(figure)).to_have_text("")
        page.mouse.move(ring["x"] + ring["width"] / 2 + 2, ring["y"] + ring["height"] / 2)
        expect(tip(figure)).to_have_text(words)
        page.mouse.move(ring["x"], ring["y"] + 150)
        expect(tip(figure)).not_to_have_text(words)


def test_a_series_is_switched_off_and_the_axes_fit_the_others(live):
    with live("winner", "parameters") as (_, figure):
        texts = figure.locator(".live-plot text")
        before = texts.all_text_contents()
        button = figure.get_by_role("button", name="m11")
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert "0.9" in before
        assert "0.9" not in texts.all_text_contents()
        button.click()
        assert texts.all_text_contents() == before


@pytest.mark.parametrize("logarithmic", [False, True])
def test_zooming_ends_where_numbers_cannot_tell_ticks_apart(live, logarithmic):
    with live("winner", "parameters") as (page, figure):
        button = figure.get_by_role("button", name="Logarithmic x axis")
        if (button.get_attribute("aria-pressed") == "true") != logarithmic:
            button.click()
        texts = figure.locator(".live-plot text")
        whole = texts.all_text_contents()
        figure.locator(".live-plot").focus()
        for key in ("-", "+"):
            for _ in range(120):
                page.keyboard.press(key)
            assert len(texts.all_text_contents()) > 4
            page.keyboard.press("0")
            assert texts.all_text_contents() == whole


def test_a_plot_is_zoomed_by_buttons_keys_and_dragging_and_shown_whole_again(live):
    with live("winner", "parameters") as (page, figure):
        svg, texts = figure.locator(".live-plot"), figure.locator(".live-plot text")
        whole = texts.all_text_contents()
        figure.get_by_role("button", name="Zoom in").click()
        near = texts.all_text_contents()
        assert near != whole
        svg.focus()
        page.keyboard.press("-")
        assert texts.all_text_contents() == whole
        box = svg.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=3)
        page.mouse.up()
        assert texts.all_text_contents() not in (whole, near)
        figure.get_by_role("button", name="Show all").click()
        assert texts.all_text_contents() == whole


def test_an_axis_becomes_logarithmic_and_its_ticks_are_round(live):
    with live("winner", "parameters") as (_, figure):
        button = figure.get_by_role("button", name="Logarithmic x axis")
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        ticks = set(figure.locator(".live-plot text").all_text_contents())
        assert {"2,000", "10,000"} <= ticks or {"1,000", "10,000"} <= ticks
        assert figure.get_by_role("button", name="Logarithmic y axis").get_attribute("aria-pressed") == "false"


def test_a_plot_is_saved_as_svg_png_and_csv_with_its_legend(live, tmp_path):
    image = pytest.importorskip("PIL.Image")
    with live("winner", "parameters") as (page, figure):
        figure.get_by_role("button", name="m00").click()
        files = {}
        for kind in ("SVG", "PNG", "CSV"):
            with page.expect_download() as waiting:
                figure.get_by_role("button", name=kind).click()
            files[kind] = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(files[kind])
    words = [text.text for text in ElementTree.parse(files["SVG"]).iter("{http://www.w3.org/2000/svg}text")]
    assert "m11" in words
    assert "m00" not in words
    assert "currentColor" not in files["SVG"].read_text("utf-8")
    picture = image.open(files["PNG"]).convert("RGB")
    assert picture.width == 1680
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert len(picture.getcolors(2**24)) > 20
    rows = list(csv.reader(files["CSV"].read_text("utf-8").splitlines()))
    assert rows[0][:2] == ["series", "Parameters"]
    assert rows[1][:3] == ["m11", "12000", "0.95"]
    assert len(rows) == 1 + 11


def test_without_scripts_the_plots_are_pictures(without_scripts, planted):
    with without_scripts.to(page_of(planted.site, "zoo-p:winner")) as page:
        assert page.locator("figure[data-plot] img:visible").count() == page.locator("figure[data-plot]").count() > 3


# --- mistakes, hardware, and the ways that ended nowhere --------------------------------------------------------------


def test_the_picker_finds_the_examples_that_one_model_gets_right_and_another_wrong(visits, planted):
    records = {
        (record.model.name, record.seed): record
        for record in Store(planted.results).read()
        if record.task.name == "zoo-p:tie" and record.device.kind == "cpu"
    }

    def right(model: str) -> np.ndarray:
        files = [Store(planted.results).artifacts(records[f"zoo-p:{model}", seed]) for seed in range(5)]
        return np.mean([np.load(folder / "per_example.npz")["score"] for folder in files], axis=0) > 0.5

    expected = np.flatnonzero(right("m10") & ~right("m05"))
    with visits.to(mistakes_page(planted.site)) as page:
        labels = page.locator("#pick-a option").all_inner_texts()
        page.locator("#pick-a").select_option(label="m10")
        page.locator("#pick-b").select_option(label="m05")
        answer = page.locator(".picked")
        expect(answer.locator("p").first).to_have_text(
            f"m10 is right and m05 is wrong: {len(expected)} of 400 test examples."
        )
        address = page.url
        page.locator("#pick-class").select_option("3")
        expect(answer.locator("p").first).to_have_text(
            f"m10 is right and m05 is wrong: {np.sum(expected % 10 == 3)} examples."
        )
        numbers = [int(text) for text in answer.locator("tbody th").all_inner_texts()]
        assert set(numbers) == set(expected[expected % 10 == 3].tolist())
    assert labels[0] == "any model"
    with visits.to(address) as page:
        expect(page.locator(".picked p").first).to_contain_text("m10 is right and m05 is wrong")


def test_from_a_trial_another_one_is_found_and_compared(visits, small_board):
    with visits.to(trial_page(small_board, "Confusion matrix")) as page:
        page.get_by_role("link", name="With another trial").click()
        page.wait_for_url("**/compare.html?trial=*")
        page.get_by_role("checkbox").nth(0).check()
        page.get_by_role("checkbox").nth(3).check()
        page.get_by_role("button", name="Compare", exact=True).click()
        page.wait_for_url("**trial=*trial=*")
        assert len(comparison(page)["Quantity"]) >= 2


def test_the_failed_trials_on_the_index_lead_to_their_reasons(visits, planted):
    with visits.to((planted.site / "index.html").as_uri()) as page:
        page.get_by_role("link", name=re.compile(r"^\d+ failed$")).first.click()
        page.wait_for_url("**#failures")
        expect(page.locator("#failures")).to_be_in_viewport()


def test_a_copied_table_keeps_what_makes_a_time_unreliable(task):
    with task("disturbed") as page:
        catch_copies(page)
        first = page.locator("section.group").first
        first.get_by_label("Compare m05").check()
        first.locator(".take").first.get_by_role("button", name="CSV").click()
        heads, row = csv.reader(io.StringIO(copied(page)))
    assert row[1] == "m05"
    assert row[heads.index("Train time")].endswith("s (unreliable)")


def test_two_models_of_one_name_have_rows_baselines_and_copies_of_their_own(visits, record, save, results, tmp_path):
    save(
        *(
            record(model=f"{plugin}:cnn", seed=seed, score=score + seed / 500)
            for plugin, score in (("a", 0.9), ("b", 0.5))
            for seed in range(3)
        )
    )
    build([results], tmp_path / "site")
    with visits.to(page_of(tmp_path / "site", "zoo-a:digits")) as page:
        catch_copies(page)
        assert page.locator("#f-base option").all_inner_texts() == ["none", "a:cnn", "b:cnn"]
        page.locator("#f-base").select_option("b:cnn")
        expect(page.locator("td:text-is('baseline')")).to_have_count(1)
        expect(page.locator("tr:has(td:text-is('baseline'))")).to_have_attribute("data-label", "b:cnn")
        page.locator(".take").get_by_role("button", name="CSV").first.click()
        assert [row[1] for row in csv.reader(io.StringIO(copied(page)))] == ["Model", "a:cnn", "b:cnn"]


def test_a_link_and_bibtex_carry_the_state_and_a_later_reader_is_told_that_it_changed(task, visits):
    with task("winner", q="m1") as page:
        catch_copies(page)
        page.get_by_role("button", name="Copy link to this view").click()
        link = copied(page)
        page.get_by_role("button", name="Copy BibTeX").click()
        page.wait_for_function("window.copied.startsWith('@misc')")
        entry = page.evaluate("window.copied")
    query = parse_qs(urlsplit(link).query)
    assert query["q"] == ["m1"]
    assert f"\\url{{{link}}}" in entry
    assert "title = {Winner, version 1: zoo leaderboard}" in entry
    assert query["state"][0] in entry
    with visits.to(link) as page:
        assert page.get_by_text("have changed since this link was made").count() == 0
    with visits.to(link.replace(query["state"][0], "0123456789ab")) as page:
        expect(
            page.get_by_text("The numbers on this page have changed since this link was made (state 0123456789ab)")
        ).to_be_visible()


def test_plots_and_mistakes_are_used_by_touch(browser, planted):
    phone = Visits(browser, has_touch=True, is_mobile=True)
    sizes = "all => all.map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect().height])"
    for address in (page_of(planted.site, "zoo-p:winner"), mistakes_page(planted.site)):
        with phone.to(address) as page:
            page.set_viewport_size({"width": 390, "height": 800})
            wake_plots(page)
            found = page.locator("button:visible, select:visible").evaluate_all(sizes)
            assert [what for what, height in found if height < 43.9] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.context.close()
