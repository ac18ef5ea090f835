"""The pages: complete content, accessible structure, no network requests, no effect of hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from zoo_leaderboard.site import plots
from zoo_leaderboard.site.build import build_site as build
from zoo_leaderboard.text.formats import DASH
from zoo_leaderboard.text.labels import as_label
from zoo_leaderboard.text.names import file_name

from zoo_core.results.records import Latency, TimeToTarget

VOID = {"meta", "link", "img", "br", "hr", "input"}
HOSTILE = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "../../x",
    "..\\..\\x",
    "/etc/passwd",
    "javascript:alert(1)",
    "\u202e\u2066gnp.exe\u200f",
    "\x00\x1b[31m\r\n",
    "CON",
    "",
    "long" * 2500,
]


class Reader(HTMLParser):
    """Parses a page: its elements as (tag, attributes), its text, and nesting errors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.errors: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        self.errors += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}>")

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)


@pytest.fixture
def site(tmp_path) -> Path:
    return tmp_path / "site"


def read(site: Path) -> dict[str, Reader]:
    return {path.relative_to(site).as_posix(): Reader(path.read_text("utf-8")) for path in site.rglob("*.html")}


def task_text(site: Path) -> str:
    (text,) = [page.text for name, page in read(site).items() if name.startswith("tasks/")]
    return text


def assert_sound(site: Path) -> None:
    """Check what must hold for every page, whatever the records contain."""
    for name, page in read(site).items():
        assert page.errors == [], name
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"style", "iframe", "object", "embed", "form", "base"}, name
        (script,) = page.all("script")
        assert (script["src"], "defer" in script) == ("../" * name.count("/") + "static/script.js", True), name
        for tag, attributes in page.elements:
            assert not [key for key in attributes if key.startswith("on") or key == "style"], (name, tag)
            for key in {"src", "srcset", "href", "data", "poster"} & attributes.keys():
                assert_stays(site, name, tag, str(attributes[key]))
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), name
        labels = [attributes.get("aria-labelledby") for _, attributes in page.elements]
        assert {label for label in labels if label} <= set(ids), name


def assert_stays(site: Path, page: str, tag: str, address: str) -> None:
    """Check that an address is a file of the site, or an outside link of an <a> element."""
    if address.startswith(("http://", "https://")):
        assert tag == "a", (page, address)
        return
    path, _, anchor = address.partition("#")
    path = path.partition("?")[0]
    target = ((site / page).parent / path).resolve() if path else site / page
    assert target.is_file(), (page, address)
    assert target.is_relative_to(site.resolve()), (page, address)
    assert not anchor or f'id="{anchor}"' in target.read_text("utf-8"), (page, address)


def test_the_index_lists_tasks_with_their_counts_and_best_models(record, save, results, site):
    save(
        *(record(model="zoo-a:good", seed=seed, score=0.9) for seed in range(3)),
        record(model="zoo-a:better", score=0.95, device="cuda"),
        record(model="zoo-a:bad", status="crashed", reason="signal 11"),
        record(task="zoo-b:curve", task_title="A curve", model="zoo-b:line", higher_is_better=False, score=0.25),
    )
    build([results], site)
    text = read(site)["index.html"].text
    assert "2 tasks, 4 models, 6 trials (1 failed)." in text
    alone = "not ranked: nothing to compare"
    digits = "Digits Accuracy ↑ , higher is better"
    assert re.search(f"{digits} CPU good real data, default recipe 0.9000 .*?{alone} 3 .*?5 1 failed", text)
    assert re.search(f"{digits} CUDA better provisional real data, default recipe 0.9500 {alone} 1 ", text)
    assert re.search(f"A curve MSE ↓ , lower is better CPU line provisional .*?0.2500 {alone} 1 ", text)
    assert "default recipe, CPU good not ranked: nothing to compare 0.9000 std over seeds 0 3 " in text
    assert "default recipe, CUDA better provisional not ranked: nothing to compare 0.9500 1 " in text
    assert_sound(site)


def test_a_task_page_shows_rows_failures_and_how_to_reproduce(record, save, results, site):
    save(
        *(
            record(
                seed=seed,
                score=score,
                target=TimeToTarget(status="met", seconds=2.0),
                train_s=61.0,
                model_parameters=4353,
                model_pretrained_on="ImageNet-1k",
                curve=[(1, None, 0.5), (2, None, 0.6)],
            )
            for seed, score in enumerate((0.8, 0.9, 1.0))
        ),
        record(model="zoo-a:bad", status="out_of_memory", reason="wanted 9 GiB", seed=7, minute=1),
    )
    build([results], site)
    text = task_text(site)
    caption = "Models by mean test score, ↑ higher is better. The CI covers other seeds on this test set only."
    assert f"{caption} Rank Model Accuracy (95 % CI) Seeds" in text
    low, high = 0.9 - 4.3027 * 0.1 / 3**0.5, 0.9 + 4.3027 * 0.1 / 3**0.5  # Student's t of two degrees of freedom
    assert high > 1
    assert f"0.9000 {low:.4f} to 1.0000 std over seeds 0.1 3 2 s 61 s {DASH} {DASH} 4,353" in text
    assert "pretrained on ImageNet-1k" in text
    assert re.search(rf"{DASH} bad A net · zoo-a v1 no score wanted 9 GiB 0 .* out of memory 1", text)
    assert re.search(r"bad 7 out of memory wanted 9 GiB \w{16}-machine-0001 2026-01-02", text)
    assert "zoo bench zoo-a:digits --model zoo-a:net --dataset zoo-a:digits --device cpu --seeds 3" in text
    assert "zoo bench digits" in text
    assert "Learning curves" in text
    assert "provisional" not in text.partition("How to read")[0].lower()
    assert_sound(site)


def test_a_table_has_a_column_for_onnxruntime_only_if_a_record_has_its_latency(record, save, results, site):
    def measured(median):
        return Latency(median_ms=median, p95_ms=9.0, n=5)

    plain = record(model="zoo-a:plain", measured_latency=measured(4.0))
    save(plain)
    build([results], site)
    assert "onnxruntime" not in task_text(site)
    exported = [record(seed=seed, measured_onnxruntime=measured(time)) for seed, time in enumerate((0.25, 0.5, 7.0))]
    save(*exported, record(model="zoo-a:forged", measured_onnxruntime=measured(-1.0)))
    build([results], site)
    text = task_text(site)
    assert "Latency in onnxruntime (ms), CPU" in text
    (group,) = json.loads((site / "data" / f"{file_name('zoo-a:digits')}.json").read_text("utf-8"))["groups"]
    times = {row["model"]: row["onnxruntime_ms"] for row in group["models"]}
    assert times == {"zoo-a:net": 0.5, "zoo-a:plain": None, "zoo-a:forged": None}
    assert "Latency in onnxruntime, CPU 0.25 ms (median), 9 ms (95th percentile), n = 5" in " ".join(
        page.text for name, page in read(site).items() if name.startswith("trials/")
    )
    assert_sound(site)


def test_rows_with_fewer_than_three_seeds_are_provisional(record, save, results, site):
    save(record(), record(seed=1))
    build([results], site)
    assert "net provisional" in task_text(site)
    assert "net provisional not ranked: nothing to compare" in read(site)["index.html"].text


def test_groups_are_sections_of_their_own(record, save, results, site):
    save(
        record(score=0.1),
        record(score=0.2, fingerprint="e" * 32, dataset_title="Digits as JPEG", origin="copy"),
        record(score=0.3, device="cuda"),
        record(score=0.4, recipe_class="quick"),
    )
    build([results], site)
    (page,) = [page for name, page in read(site).items() if name.startswith("tasks/")]
    assert page.text.count("Models by mean test score") == 4
    assert "altered copy" in page.text
    for title in ("Digits , default recipe, CPU", "Digits , quick recipe, CPU", "Digits , default recipe, CUDA"):
        assert title in page.text
    assert "--device cpu --seeds 1 --preset quick" in page.text
    assert "--device cuda --seeds 1" in page.text
    assert_sound(site)


def test_custom_recipes_show_their_keys_and_the_commands_that_measure_them_again(record, save, results, site):
    save(
        record(recipe_class="custom", recipe={"lr": 0.5}, command="zoo bench digits --set lr=0.5"),
        record(recipe_class="custom", recipe={"lr": 0.7}, command="zoo bench digits --set lr=0.7"),
    )
    build([results], site)
    text = task_text(site)
    assert "( lr=0.5 )" in text
    assert "zoo bench digits --set lr=0.5" in text
    assert "--model zoo-a:net --dataset zoo-a:digits --device cpu --seeds 1 --set lr=0.5" in text


def test_skipped_trials_and_references_are_shown(record, save, results, site):
    references = [
        {"value": 0.99, "source": "https://example.org/paper", "model": "LeNet", "dataset": "zoo-a:digits"},
        {"value": 0.98, "source": "a book", "model": "Net 5", "dataset": "zoo-a:letters"},
        {"value": 0.5, "source": "javascript:alert(1)"},
        {"value": "<b>", "source": None},
    ]
    save(
        record(task_references=references, dataset_homepage="https://example.org/data"),
        record(status="skipped", reason="no data here", fingerprint="unavailable", seed=5),
    )
    build([results], site)
    (page,) = [page for name, page in read(site).items() if name.startswith("tasks/")]
    assert "no data here" in page.text
    assert "1 trial (0 failed), 1 skipped" in page.text
    here, _, other = page.text.partition("Other reference results")
    assert "LeNet 0.9900 https://example.org/paper" in here
    assert "LeNet" not in other
    assert "Net 5 0.9800 zoo-a:letters a book" in other
    assert "0.5000 not recorded javascript:alert(1)" in other
    links = [attributes["href"] for attributes in page.all("a")]
    assert "https://example.org/paper" in links
    assert "https://example.org/data" in links
    assert not [link for link in links if "javascript" in link]
    assert_sound(site)


def test_tables_have_captions_and_scopes_and_scroll_in_their_own_box(record, save, results, site):
    save(record(curve=[(1, None, 0.5)]), record(seed=1, status="error"))
    build([results], site)
    for name, page in read(site).items():
        tags = [tag for tag, _ in page.elements]
        assert tags.count("caption") == tags.count("table"), name
        assert all("scope" in attributes for attributes in page.all("th")), name
        assert tags.count("h1") == 1, name
        assert tags.count("main") == 1, name
        assert next(page.all("html"))["lang"] == "en"
        assert next(page.all("a")) == {"class": "skip", "href": "#main"}
        assert all(attributes.get("alt") is not None for attributes in page.all("img")), name
        text = (site / name).read_text("utf-8")
        assert len(re.findall(r'<div class="scroll"[^>]*>\s*<table', text)) == tags.count("table"), name


def test_every_page_has_a_strict_content_security_policy(record, save, results, site):
    save(record())
    build([results], site)
    for page in read(site).values():
        (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(policy.split())


def test_nothing_in_the_site_names_another_host_to_load_from(record, save, results, site):
    save(record(curve=[(1, None, 0.5)]))
    build([results], site)
    assert_sound(site)
    css = (site / "static" / "style.css").read_text("utf-8")
    assert "url(" not in css
    assert "@import" not in css
    for svg in site.rglob("*.svg"):
        found = set(re.findall(r"https?://[^\s\"'<]+", svg.read_text("utf-8")))
        assert found <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def hostile_record(record, name):
    return record(
        task=name,
        model=name,
        dataset=name,
        fingerprint=name,
        origin=name,
        reason=name,
        recipe={name: name},
        command=name,
        task_title=name,
        task_summary=name,
        task_metric=name,
        task_unit=name,
        task_kind=name,
        dataset_title=name,
        dataset_licence=name,
        dataset_homepage=name,
        dataset_examples={name: 3},
        model_title=name,
        model_pretrained_on=name,
        model_year=2014,
        model_paper=name,
        model_flops_unknown_because=name,
        measured_pictures={name: name},
        task_references=[{"value": 1.0, "source": name, "model": name}],
        curve=[(1, None, 0.5), (2, None, 0.6)],
    )


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:12]))
def test_a_hostile_name_neither_executes_nor_leaves_the_folder(record, save, results, site, tmp_path, name):
    good = hostile_record(record, name)
    save(good, record(model="zoo-a:bad", task=name, status="error", reason=name))
    build([results], site)
    assert_sound(site)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "site"]
    text = "".join(page.text for page in read(site).values())
    assert "7*7" in text or name != HOSTILE[2]
    assert "49" not in text or "7*7" not in name
    assert all(len(path.name) < 120 for path in site.rglob("*"))


def test_every_hostile_name_gets_its_own_page(record, save, results, site):
    save(*(hostile_record(record, name) for name in HOSTILE))
    build([results], site)
    assert_sound(site)
    assert len(list(site.glob("tasks/*.html"))) == len(HOSTILE)
    assert len(list(site.glob("data/*.csv"))) == len(HOSTILE)


def test_names_that_collide_as_paths_get_different_files():
    names = ["a:b", "a--b", "a/b", "A:b", "a b", "", ".", "..", "x" * 200, "x" * 201, *HOSTILE]
    made = [file_name(name) for name in names]
    assert len({name.lower() for name in made}) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) for name in made)


def test_the_stylesheet_and_the_plots_use_the_same_colours():
    css = Path(plots.__file__).with_name("static").joinpath("style.css").read_text("utf-8")
    assert re.findall(r"\.c\d \{ color: (#\w+); \}", css) == list(plots.PALETTE)


def test_a_model_from_a_file_shows_the_recorded_command_and_none_that_cannot_run(record, save, results, site):
    save(record(model="unpackaged:net.Net", command="zoo bench digits --model ./net.py:Net"))
    build([results], site)
    text = task_text(site)
    assert "zoo bench digits --model ./net.py:Net" in text
    assert "--model unpackaged" not in text


def test_imported_benchmarks_are_shown_separately_and_never_ranked(record, benchmark_facts, save, results, site):
    imported = record(model="zoo-a:timed", score=None, minute=3)
    save(record(), msgspec.structs.replace(imported, source="pytest-benchmark", benchmark=benchmark_facts))
    build([results], site)
    text = task_text(site)
    assert "timed inference cpu 32 1.5 21,333 9 pytest-benchmark" in text
    assert "1 task, 2 models, 1 trial (0 failed)" in read(site)["index.html"].text
    assert text.count("no score") == 0
    assert_sound(site)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean_iou", "Mean IoU"),
        ("boundary_f1", "Boundary F1"),
        ("joint_error", "Joint error (m)"),
        ("frechet", "Fréchet distance"),
        ("mse", "MSE"),
        ("map50_95", "mAP50:95"),
        ("pixel_accuracy", "Pixel accuracy"),
        ("warm-up", "Warm-up"),
        ("Top-5 accuracy", "Top-5 accuracy"),
        ("", ""),
    ],
)
def test_identifiers_get_readable_labels_and_other_names_stay(name, expected):
    assert as_label(name) == expected


def test_pages_show_metric_labels_and_data_files_keep_the_identifiers(record, save, results, site):
    save(*(record(task_metric="mean_iou", score=0.5 + seed / 10, seed=seed) for seed in range(3)))
    build([results], site)
    pages = {name: page.text for name, page in read(site).items() if name not in ("compare.html", "hardware.html")}
    assert all("Mean IoU" in text and "mean_iou" not in text for text in pages.values())
    (data,) = (path for path in site.glob("data/*.json") if "digits" in path.name)
    assert json.loads(data.read_text("utf-8"))["groups"][0]["metric"] == "mean_iou"


def test_a_missing_flop_count_gives_its_reason_on_hover_and_on_the_trial_page(record, save, results, site):
    save(record(model_flops_unknown_because="torch has no formula for aten::roll"))
    build([results], site)
    pages = read(site)
    (task,) = (page for name, page in pages.items() if name.startswith("tasks/"))
    (trial,) = (page for name, page in pages.items() if name.startswith("trials/"))
    assert "not counted" in task.text
    assert "torch has no formula for aten::roll" in [attributes.get("title") for attributes in task.all("abbr")]
    assert "not counted ( torch has no formula for aten::roll )" in trial.text
