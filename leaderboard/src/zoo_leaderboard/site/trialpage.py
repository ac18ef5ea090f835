"""Writes one trial's files: page, record, pictures, and numbers for the compare page."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.results import records
from zoo_core.results.bounds import latest_time
from zoo_core.results.records import CurvePoint, Record
from zoo_leaderboard.board.commands import reproduce_trial
from zoo_leaderboard.board.score_range import score_range
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.records.index import read_record
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.records.trials import summarise_trial, with_known_start
from zoo_leaderboard.records.verified import Notes, describe_note, note_on
from zoo_leaderboard.site.export import trial_script
from zoo_leaderboard.site.isolation import failure_words, is_of_content
from zoo_leaderboard.site.logs import read_log
from zoo_leaderboard.site.options import SiteOptions
from zoo_leaderboard.site.pages import Pages
from zoo_leaderboard.site.pictures import copy_pictures
from zoo_leaderboard.site.plots import Style
from zoo_leaderboard.site.texts import read_texts
from zoo_leaderboard.site.views import DrawnCurve, TrialView
from zoo_leaderboard.stats.intervals import mean_interval
from zoo_leaderboard.text.formats import clip
from zoo_leaderboard.text.labels import as_label
from zoo_leaderboard.text.names import file_name

MAX_CURVE_ROWS = 200  # in the table of the curve
LEFT, TOP, RIGHT, BOTTOM = 70.0, 10.0, 550.0, 230.0  # of the curve in its SVG, as in the template


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialsJob:
    """The pages to write: `paths` maps the pages' file names to the paths of their records."""

    paths: Mapping[str, str]
    styles: Mapping[str, Style]
    conformance: Mapping[str, Conformance]
    verified: Notes
    options: SiteOptions
    folder: Path


def write_trials(job: TrialsJob) -> dict[str, list[str] | str]:
    """Write the pages; returns the files of each within the site, or the reason why it has no page."""
    pages = Pages(job.styles, job.conformance, job.options)
    written: dict[str, list[str] | str] = {}
    for slug, path in job.paths.items():
        try:
            written[slug] = _write(slug, Path(path), pages, job)
        except BaseException as error:
            if not is_of_content(error):
                raise
            _remove_files(slug, job.folder)
            written[slug] = failure_words(error)
    return written


def _remove_files(slug: str, folder: Path) -> None:
    """Remove all files of the trial from the new site."""
    shutil.rmtree(folder / "trials" / slug, ignore_errors=True)
    for kind in ("html", "js"):
        (folder / "trials" / f"{slug}.{kind}").unlink(missing_ok=True)


def _write(slug: str, path: Path, pages: Pages, job: TrialsJob) -> list[str]:
    folder = job.folder
    record = read_record(str(path))
    assets = folder / "trials" / slug
    assets.mkdir(exist_ok=True)
    trial = with_known_start(summarise_trial(record, str(path)), latest_time())
    note = note_on(trial, job.verified)
    pictures = copy_pictures(record, path, assets, "p")
    view = TrialView(
        record=record,
        slug=slug,
        task_slug=file_name(record.task.name),
        is_of_future=bool(trial.future_start),
        disturbance=trial.disturbances,
        scores=_scores(record),
        curve=_curve(record),
        phases=[(as_label(phase.name), phase.seconds) for phase in record.phases],
        pictures=pictures,
        texts=read_texts(record, path),
        environment=list(_flatten(record.environment)),
        command=reproduce_trial(record),
        log=read_log(path),
        verified=describe_note(note, trial.machine) if note else "",
        verified_same=note.same if note else False,
        verified_at=note.verified_at if note else "",
    )
    bounds = score_range(trial.metric, trial.higher_is_better)
    interval = mean_interval(load_sample([trial]), bounds=bounds) if trial.score is not None else None
    contents = {
        f"trials/{slug}.html": pages.trial(view),
        f"trials/{slug}.js": trial_script(slug, record, trial, interval),
        f"trials/{slug}/record.json": records.encode(record).decode(),
    }
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8", errors="replace")
    return [*contents, *(f"trials/{slug}/{name}" for name in pictures.files)]


def _scores(record: Record) -> list[tuple[str, float | None, float | None]]:
    test, val = record.measured.scores, record.measured.val_scores
    return [(as_label(name), test.get(name), val.get(name)) for name in dict.fromkeys([*test, *val])]


def _curve(record: Record) -> DrawnCurve | None:
    """The train and val scores by step as SVG paths; None if neither was recorded."""
    points = record.curve
    scores = (value for point in points for value in (point.train_score, point.val_score))
    values = [value for value in scores if value is not None and math.isfinite(value)]
    if not values:
        return None
    low, high, steps = min(values), max(values), max(point.step for point in points) or 1
    paths = {name: _svg_path(points, f"{name}_score", low, high, steps) for name in ("train", "val")}
    every = max(1, math.ceil(len(points) / MAX_CURVE_ROWS))
    rows = [(p.step, p.seconds, p.epoch, p.train_loss, p.train_score, p.val_score) for p in points[::every]]
    words = f"{clip(as_label(record.task.metric), 40)} by training step, from {low:.4g} to {high:.4g}"
    drawn = {name: path for name, path in paths.items() if path}
    return DrawnCurve(
        words=words,
        paths=drawn,
        low=low,
        high=high,
        steps=steps,
        rows=rows,
        thinned=every > 1,
    )


def _svg_path(points: Sequence[CurvePoint], name: str, low: float, high: float, steps: int) -> str:
    """An SVG path through the known scores; a single score becomes a dot."""
    spread = (high - low) or 1.0
    places = [
        (LEFT + (RIGHT - LEFT) * point.step / steps, BOTTOM - (BOTTOM - TOP) * (getattr(point, name) - low) / spread)
        for point in points
        if getattr(point, name) is not None and math.isfinite(getattr(point, name))
    ]
    if len(places) == 1:
        places.append((places[0][0] + 0.1, places[0][1]))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) if places else ""


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested facts as rows named `outer inner`, without unknown values."""
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{key} ")
        elif value not in (None, "", []):
            rows.append((as_label(f"{prefix}{key}"), value))
    return rows
