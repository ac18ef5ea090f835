"""Benchmarks the leaderboard: a complete build, a rebuild after one new trial, and a page of 2,000 rows in a browser.

    python benchmarks/leaderboard.py [--trials 100000] [--keep FOLDER]

Prints, for that many trials over 50 tasks and 400 models, with learning curves and results by example:

* the seconds and the peak memory (all processes together) of a complete build, and the sizes of its pages;
* the same for a rebuild after one new trial, and its share of the complete build's time;
* the milliseconds until a page of 2,000 rows is opened, sorted or filtered and laid out in Chromium, and until a plot
  of it shows the values under the pointer.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import psutil

from zoo_core.results.records import (
    SCHEMA,
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    Latency,
    Load,
    Measured,
    ModelFacts,
    PhaseFacts,
    Record,
    TaskFacts,
)
from zoo_core.results.store import Store

TASKS, MODELS, SEEDS, EXAMPLES = 50, 400, 5, 1000
POOL_SIZE = 120  # different sets of results by example per task, shared by its trials
REPEATS = 9  # of each sorting and filtering


def examples(strength: float, generator: np.random.Generator) -> tuple[float, bytes]:
    """A file of results by example, and the score, which is their mean."""
    right = (generator.random(EXAMPLES) < strength).astype(np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, score=right, truth=np.arange(EXAMPLES, dtype=np.int32) % 10)
    return float(right.mean()), buffer.getvalue()


def curve_of(score: float) -> list[CurvePoint]:
    """Ten evaluations on the way to the score."""
    return [
        CurvePoint(
            step=100 * step,
            seconds=1.5 * step,
            epoch=float(step),
            train_loss=2.0 / step,
            train_score=score * step / 10,
            val_score=score * step / 10 - 0.01,
        )
        for step in range(1, 11)
    ]


def measured_of(model: int, score: float, draw: random.Random) -> Measured:
    """Measurements as the worker writes them."""
    return Measured(
        scores={"accuracy": score, "f1": score},
        train_s=15 + draw.random(),
        throughput=3000 + model,
        latency=Latency(median_ms=1 + model / 100, p95_ms=2.0, n=50),
        peak_memory_mib=100.0 + model,
        load=Load(cpu_s=15.0, wall_s=15.1, involuntary_switches=12),
        steps=1000,
        units=128_000,
        per_example="per_example.npz",
    )


def record(task: int, model: int, seed: int, device: str, score: float, minute: int, draw: random.Random) -> Record:
    """A record as the runner writes it."""
    recipe = {"lr": 0.1, "epochs": 10, "batch_size": 128, "weight_decay": 1e-4, "schedule": "cosine", "model": model}
    key = hashlib.sha256(f"{task} {model} {seed} {device}".encode()).hexdigest()
    failed = draw.random() < 0.01
    return Record(
        schema=SCHEMA,
        id=f"{key[:16]}-0a1b2c3d-{minute:08d}",
        key=key,
        status="error" if failed else "ok",
        started_at=f"2026-01-{1 + minute // 1440 % 28:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00.000000+00:00",
        task=TaskFacts(
            name=f"zoo-t{task}:task-{task}",
            title=f"Task {task}",
            summary="Tell things apart.",
            version=1,
            kind="image-classification",
            kind_version=1,
            metric="accuracy",
            higher_is_better=True,
            unit="images",
            target=0.9,
            chance=0.1,
        ),
        dataset=DatasetFacts(
            name=f"zoo-t{task}:data",
            title="Pictures",
            version=1,
            origin="real",
            licence="CC0-1.0",
            fingerprint=f"{task:032x}",
            examples={"train": 50_000, "val": 5_000, "test": EXAMPLES},
        ),
        model=ModelFacts(
            name=f"zoo-m{model % 20}:net-{model}",
            title=f"Net {model}",
            version=1,
            code_sha256=f"{model:064x}",
            parameters=10_000 * (model + 1),
            trainable_parameters=10_000 * (model + 1),
            flops_per_unit=1_000_000 * (model + 1),
        ),
        device=DeviceFacts(kind=device, name=f"A {device}", threads=1),
        seed=seed,
        recipe=recipe,
        recipe_class="default",
        budget="length",
        reason="RuntimeError: planted" if failed else "",
        traceback="Traceback: planted\n" if failed else "",
        curve=[] if failed else curve_of(score),
        phases=[PhaseFacts(name=name, seconds=1.0) for name in ("data", "build", "warm-up", "train", "evaluate")],
        measured=Measured() if failed else measured_of(model, score, draw),
        environment={"machine": "0a1b2c3d", "cpu": "A processor", "versions": {"torch": "2.10.0"}},
        command=f"zoo bench task-{task} --model net-{model} --device {device} --seeds 5",
    )


def fill(results: Path, trials: int) -> int:
    """Write about that many trials; returns the number written."""
    draw, generator = random.Random(0), np.random.default_rng(0)
    rows = max(1, trials // (TASKS * SEEDS))  # of a task: models on either device
    store, written = Store(results), 0
    for task in range(TASKS):
        pool = [examples(0.5 + 0.4 * place / POOL_SIZE, generator) for place in range(POOL_SIZE)]
        for row in range(rows):
            model, device = (row // 2 * 2 + task) % MODELS, ("cpu", "cuda")[row % 2]
            for seed in range(SEEDS):
                score, content = pool[(row * POOL_SIZE // rows + draw.randrange(4)) % POOL_SIZE]
                save(store, record(task, model, seed, device, score, written, draw), content)
                written += 1
    return written


def save(store: Store, made: Record, content: bytes) -> None:
    """Write a record like `Store.save`, but without waiting for the disk each time."""
    folder = store.artifacts(made)
    folder.mkdir(parents=True)
    if made.status == "ok":
        (folder / "per_example.npz").write_bytes(content)
    folder.with_name(f"{folder.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))


class Memory(threading.Thread):
    """Samples the memory of a process and all its children in a thread; `peak_mib` is the maximum."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.peak_mib, self.ended = process, 0.0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            total = 0
            for process in family(self.process):
                try:
                    total += process.memory_info().rss
                except psutil.Error:  # it has ended
                    continue
            self.peak_mib = max(self.peak_mib, total / 2**20)


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and all its descendants; empty if it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def timed_build(results: Path, out: Path, cache: Path) -> tuple[float, float]:
    """Run `zoo leaderboard build` in a process; returns its seconds and peak MiB."""
    words = [sys.executable, "-m", "zoo_core", "leaderboard", "build", str(results), "--out", str(out)]
    started = time.perf_counter()
    with subprocess.Popen(words, env={**os.environ, "ZOO_CACHE": str(cache)}, stdout=subprocess.DEVNULL) as process:
        memory = Memory(psutil.Process(process.pid))
        memory.start()
        code = process.wait()
        memory.ended.set()
    assert code == 0, code
    return time.perf_counter() - started, memory.peak_mib


def browse(page_file: Path) -> Iterator[tuple[str, float]]:
    """Measure sorting and filtering in a browser: yields (action, median milliseconds including layout)."""
    from playwright.sync_api import sync_playwright

    measure = """(action) => { const start = performance.now(); action(); document.body.offsetHeight;
                 return performance.now() - start; }"""
    sort = f"() => ({measure})(() => document.querySelector('[data-col=score] button').click())"
    words = """(text) => (%s)(() => { const field = document.querySelector('[data-filter=q]'); field.value = text;
               field.dispatchEvent(new Event('input')); })"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        opened = """() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd"""
        times = []
        for _ in range(REPEATS):
            page.goto(page_file.as_uri())
            times.append(page.evaluate(opened))
        yield "opening", statistics.median(times)
        yield "sort", statistics.median(page.evaluate(sort) for _ in range(REPEATS))
        texts = [f"net-{number}" for number in range(REPEATS)] + [""] * REPEATS
        texts = [text for pair in zip(texts[:REPEATS], texts[REPEATS:], strict=True) for text in pair]
        yield "filter", statistics.median(page.evaluate(words % measure, text) for text in texts)
        plot = page.locator("figure[data-plot]").first
        plot.scroll_into_view_if_needed()
        plot.locator(".live-plot").wait_for()
        point = """(share) => { const plot = document.querySelector(".live-plot"), box = plot.getBoundingClientRect();
                   const at = {clientX: box.left + share * box.width, clientY: box.top + share * box.height};
                   plot.dispatchEvent(new PointerEvent("pointermove", at)); }"""
        hover = f"(share) => ({measure})(() => ({point})(share))"
        yield "hover", statistics.median(page.evaluate(hover, 0.3 + number / 30) for number in range(REPEATS))
        browser.close()


def sizes(site: Path) -> Iterator[tuple[str, int, int]]:
    """Yield for each folder of pages its largest page in kB, and that of the script that the page loads."""
    for folder in ("tasks", "models", "trials", "history", "mistakes", "plots", "data"):
        files = [path for path in (site / folder).iterdir() if path.is_file()]
        pages, scripts = ([file.stat().st_size for file in files if file.suffix == end] for end in (".html", ".js"))
        yield folder, max(pages, default=0) // 1000, max(scripts, default=0) // 1000
    for name in ("index", "hardware", "compare"):
        yield name, (site / f"{name}.html").stat().st_size // 1000, 0


def long_page(folder: Path, cache: Path) -> Path:
    """Build the page of a task with 2,000 rows."""
    store, draw = Store(folder / "long"), random.Random(0)
    for model in range(2000):
        save(store, record(0, model, 0, "cpu", 0.5 + model / 5000, model, draw), b"")
    timed_build(folder / "long", folder / "long-site", cache)
    return next((folder / "long-site" / "tasks").glob("*.html"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="work in this folder and keep it; records already in it are used")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        results, site, cache = folder / "results", folder / "site", folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(site, ignore_errors=True)
        if not results.is_dir():
            print(f"{fill(results, options.trials):,} trials written")
        first, memory = timed_build(results, site, cache)
        print(f"first build:  {first:.1f} s, {memory:.0f} MiB")
        for name, page, script in sizes(site):
            print(f"largest page of {name}: {page} kB" + (f", script {script} kB" if script else ""))
        new = record(7, 7, 99, "cpu", 0.7, random.randrange(10**7), random.Random(1))
        save(Store(results), new, examples(0.7, np.random.default_rng(1))[1])
        second, memory = timed_build(results, site, cache)
        print(f"one new trial: {second:.1f} s, {second / first:.3f} of the first, {memory:.0f} MiB")
        if shutil.which("chromium") is None:
            print("no chromium: the browser was not measured")
            return
        for action, milliseconds in browse(long_page(folder, cache)):
            print(f"{action} of 2,000 rows: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
