"""Builds the site. Only pages whose content changed are rendered; the others are reused from the earlier site."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from zoo_core.errors import UsageError
from zoo_core.results import records
from zoo_core.results.store import Unreadable
from zoo_leaderboard.board.tables import Versions
from zoo_leaderboard.records.acknowledged import read_acknowledged
from zoo_leaderboard.records.conformance import Conformance, read_conformance
from zoo_leaderboard.records.index import (
    MAX_CANDIDATES,
    Candidate,
    Head,
    LeftOutFile,
    Shard,
    all_candidates,
    cached_head,
    each_once,
    newest_versions,
    refresh,
    scan,
    select_candidates,
)
from zoo_leaderboard.records.verified import Notes, read_verified
from zoo_leaderboard.site import export, plots
from zoo_leaderboard.site.card import index_card
from zoo_leaderboard.site.folder import Site, open_folder, replacing
from zoo_leaderboard.site.isolation import make_without_culprits
from zoo_leaderboard.site.options import NO_OPTIONS, SiteOptions
from zoo_leaderboard.site.pages import Pages, static_files
from zoo_leaderboard.site.processes import Progress, run_all, workers_for
from zoo_leaderboard.site.raster import as_png
from zoo_leaderboard.site.summary import SiteState, TaskSummary, describe_changes, load_state, save_state
from zoo_leaderboard.site.taskpage import TaskJob, write_task
from zoo_leaderboard.site.trialpage import TrialsJob, write_trials
from zoo_leaderboard.site.views import ModelPlace
from zoo_leaderboard.text.documents import as_json, require_pyarrow
from zoo_leaderboard.text.names import file_name, files_digest, short_hash

DEFAULT_TRIAL_PAGES = MAX_CANDIDATES
TRIALS_PER_JOB = 50
DIGEST_DIGITS = 32
CODE_SUFFIXES = (".py", ".html", ".xml", ".css", ".js", ".svg")
WAITING = "waiting for another build of this site"  # the name of this work for `progress`


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """The result of a build: the page to open, the number of tasks and records, and the unreadable files.

    `rendered` is the number of rendered pages of tasks, models and trials; reused pages do not count. `kept` has each
    person's file that was in the place of a page, and its new name. `complete`: no page lacks anything because of an
    error while it was made; files that could not be read do not count. `summaries` are those of the tasks.
    """

    index: Path
    tasks: int
    trials: int
    rendered: int
    unreadable: list[Unreadable]
    kept: list[tuple[Path, Path]]
    summaries: list[TaskSummary]
    complete: bool


def build_site(
    results: Sequence[Path],
    out: Path,
    *,
    trial_pages: int | None = DEFAULT_TRIAL_PAGES,
    options: SiteOptions = NO_OPTIONS,
    progress: Progress | None = None,
) -> Built:
    """Build the site of the records below `results` in the folder `out`.

    `trial_pages` is the largest number of trials that get a page of their own; None is no limit.

    Raises:
        UsageError: no records, a package is missing, or `out` cannot be replaced. An earlier site is left as it was.
    """
    show = progress or (lambda *_: None)
    if options.parquet:
        require_pyarrow()
    with open_folder(out, lambda: show(WAITING, 0, 1)):
        return _build(results, out, trial_pages, options, show)


def _build(results: Sequence[Path], out: Path, trial_pages: int | None, options: SiteOptions, show: Progress) -> Built:
    shards = scan(results)
    conformance, unreadable = read_conformance(results)
    fresh = [shard for shard in shards if cached_head(shard) is None]
    with workers_for(sum(len(shard.files) for shard in fresh)) as workers:
        heads = _heads(shards, fresh, workers, show)
        unreadable += [Unreadable(Path(path), reason) for head in heads for path, reason in head.unreadable]
        _require_records(results, heads, unreadable)
        verified, bad_notes = read_verified(shard.folder for shard in shards)
        acknowledged = {shard.folder: read_acknowledged([shard.folder]) for shard in shards}
        unreadable += bad_notes + [item for _, bad in acknowledged.values() for item in bad]
        previous = load_state(out)
        with replacing(out) as site:
            builder = _Builder(site, list(zip(shards, heads, strict=True)), conformance, previous, workers, show)
            builder.left_out += unreadable
            builder.options = options
            builder.verified = verified
            builder.acknowledged = {folder: reasons for folder, (reasons, _) in acknowledged.items()}
            after = builder.write(trial_pages)
    save_state(out, after)
    trials = sum(head.trials for head in heads)
    return Built(
        index=out / "index.html",
        tasks=len(after.tasks),
        trials=trials,
        rendered=builder.rendered,
        unreadable=builder.left_out,
        kept=site.kept,
        summaries=[summary for _, summary in after.tasks.values()],
        complete=builder.complete,
    )


def _heads(shards: Sequence[Shard], fresh: Sequence[Shard], workers: Executor | None, show: Progress) -> list[Head]:
    read = {
        shard.folder: head for shard, head in run_all(refresh, fresh, workers, lambda *n: show("reading records", *n))
    }
    return [read.get(shard.folder) or cached_head(shard) or refresh(shard) for shard in shards]


def _require_records(results: Sequence[Path], heads: Sequence[Head], unreadable: Sequence[Unreadable]) -> None:
    if not any(head.trials for head in heads):
        named = "".join(f"; left out {item.path}: {item.reason}" for item in unreadable[:5])
        places = ", ".join(map(str, results))
        raise UsageError(f"there are no records in {places}{named}; `zoo bench TASK` makes some")


class _Builder:
    """One build: the new site, the heads of the record folders, and the state left by the previous build."""

    def __init__(
        self,
        site: Site,
        shards: Sequence[tuple[Shard, Head]],
        conformance: Mapping[str, Conformance],
        previous: SiteState,
        workers: Executor | None,
        show: Progress,
    ) -> None:
        self.site, self.shards, self.conformance = site, shards, conformance
        self.previous, self.workers, self.show = previous, workers, show
        self.versions = Versions(
            tasks=newest_versions(item for _, head in shards for item in head.tasks.items()),
            datasets=newest_versions(item for _, head in shards for item in head.datasets.items()),
            models=newest_versions(item for _, head in shards for item in head.models.items()),
        )
        self.models_of = self._models_of()
        self.styles = plots.assign_styles([self.models_of[task] for task in sorted(self.models_of)], previous.drawn)
        self.styles = {name: self.styles[name] for name in sorted({n for ns in self.models_of.values() for n in ns})}
        self.options = NO_OPTIONS
        self.rendered = 0
        self.left_out: list[Unreadable] = []
        self.complete = True
        self.slugs: dict[str, str] = {}
        self.verified: Notes = {}
        self.acknowledged: Mapping[Path, Mapping[str, str]] = {}
        self._code = page_code_digest()

    @property
    def code(self) -> str:
        """A text that changes with the code and the options that all pages are made with."""
        return f"{self._code} {self.options}"

    def write(self, trial_pages: int | None) -> SiteState:
        """Write every page and return the state for the next build."""
        offered = self._trials_with_pages(trial_pages)
        self.slugs = trial_slugs(offered)
        trials = self._write_trials(offered)
        tasks = self._write_tasks(trials)
        self._drop_pages(trials, tasks)
        summaries = sorted((task for _, task in tasks.values()), key=lambda task: (task.title.casefold(), task.name))
        self._write_models(summaries)
        before = {name: task for name, (_, task) in self.previous.tasks.items()}
        changes = describe_changes(before, summaries) if before else []
        since = max((task.newest for task in before.values()), default="") if changes else self.previous.since
        changes = changes or self.previous.changes
        self._write_shared(summaries, changes, since)
        styles = {name: (style.colour, style.dash) for name, style in self.styles.items()}
        return SiteState(styles=styles, tasks=tasks, changes=changes, since=since)

    def _models_of(self) -> dict[str, list[str]]:
        of_task: dict[str, set[str]] = {}
        for _, head in self.shards:
            for task, models in head.models_of.items():
                of_task.setdefault(task, set()).update(models)
        return {task: sorted(models) for task, models in of_task.items()}

    def _trials_with_pages(self, limit: int | None) -> list[Candidate]:
        """The trials that get pages; an id in two folders counts once."""
        if limit is None or limit > MAX_CANDIDATES:
            offered = [item for shard, _ in self.shards for item in all_candidates(shard)]
        else:
            offered = [item for _, head in self.shards for item in head.candidates]
        return select_candidates(each_once(offered), limit)

    def _drop_pages(self, trials: Sequence[Candidate], tasks: Collection[str]) -> None:
        """Remove the pages of trials that are not shown on the page of their task."""
        left_out = {str(item.path) for item in self.left_out}
        for item in trials:
            if item.path in left_out or item.task not in tasks:
                self.site.drop(f"trial {self.slugs[item.path]}")

    def _write_tasks(self, trials: Sequence[Candidate]) -> dict[str, tuple[str, TaskSummary]]:
        """Write the files of changed tasks and reuse the others; returns each task's digest and summary."""
        pages: dict[str, dict[str, str]] = {}
        for item in trials:
            pages.setdefault(item.task, {})[item.id] = self.slugs[item.path]
        tasks, jobs, digests = {}, [], {}
        for name in sorted(self.models_of):
            job = self._task_job(name, pages.get(name, {}))
            digests[name] = self._digest(
                [(head.digest, head.future) for _, head in self.shards if name in head.tasks], job
            )
            digest, summary = self.previous.tasks.get(name, ("", None))
            if summary is not None and digest == digests[name] and self.site.reuse(f"task {name}", digest):
                tasks[name] = (digest, summary)
                self._leave_out(summary.left_out, by_error=not summary.complete)
            else:
                jobs.append(job)
        for job, made in run_all(write_task, jobs, self.workers, lambda *n: self.show("tasks", *n)):
            self._leave_out(made.left_out, by_error=made.summary is None or not made.summary.complete)
            if made.summary is not None:
                self.site.register(f"task {job.name}", digests[job.name], made.summary.files)
                tasks[job.name] = (digests[job.name], made.summary)
        self.rendered += len(jobs)
        return tasks

    def _leave_out(self, files: Iterable[LeftOutFile], *, by_error: bool) -> None:
        self.complete &= not by_error
        self.left_out += [Unreadable(Path(path), reason) for path, reason in files]

    def _task_job(self, name: str, pages: Mapping[str, str]) -> TaskJob:
        models = self.models_of[name]
        datasets = {dataset for _, head in self.shards if name in head.tasks for dataset in head.datasets}
        shards = [shard for shard, head in self.shards if name in head.tasks]
        return TaskJob(
            name=name,
            shards=shards,
            versions=Versions(
                tasks={name: self.versions.tasks[name]},
                datasets={dataset: self.versions.datasets[dataset] for dataset in sorted(datasets)},
                models={model: self.versions.models[model] for model in models},
            ),
            styles={model: self.styles[model] for model in models},
            conformance=self.conformance,
            verified=self._notes_of({shard.folder.name for shard, head in self.shards if name in head.tasks}),
            trial_slugs=pages,
            acknowledged={
                name: why for shard in shards for name, why in self.acknowledged.get(shard.folder, {}).items()
            },
            options=self.options,
            folder=self.site.folder,
        )

    def _notes_of(self, folders: Collection[str]) -> Notes:
        return {key: note for key, note in self.verified.items() if key[0] in folders}

    def _digest(self, heads: Sequence[tuple[str, list[str]]], job: TaskJob) -> str:
        """A hash of everything that a task's files are made from."""
        parts = (self.code, heads, job.name, job.versions, job.styles, job.conformance, job.trial_slugs)
        return _digest_of(repr((parts, sorted(job.verified.items()), sorted(job.acknowledged.items()))))

    def _write_trials(self, trials: Sequence[Candidate]) -> list[Candidate]:
        """Write the pages of the trials; returns the trials that have one now."""
        missing: dict[str, Candidate] = {}
        without: set[str] = set()
        digests = {}
        shared = repr((self.code, sorted(self.styles.items()), self.conformance))
        for item in trials:
            slug = self.slugs[item.path]
            note = self.verified.get((Path(item.path).parent.name, item.id))
            digests[slug] = _digest_of(f"{shared}{item.stamp}{item.started_at}{note}")
            if not self.site.reuse(f"trial {slug}", digests[slug]):
                missing[slug] = item
        slugs = list(missing)
        jobs = [
            TrialsJob(
                paths={slug: missing[slug].path for slug in slugs[start : start + TRIALS_PER_JOB]},
                styles=self.styles,
                conformance=self.conformance,
                verified=self.verified,
                options=self.options,
                folder=self.site.folder,
            )
            for start in range(0, len(slugs), TRIALS_PER_JOB)
        ]
        for _, made in run_all(write_trials, jobs, self.workers, lambda *n: self.show("trials", *n)):
            for slug, files in made.items():
                if isinstance(files, str):
                    self._leave_out([(missing.pop(slug).path, f"no page of its own: {files}")], by_error=True)
                    without.add(slug)
                else:
                    self.site.register(f"trial {slug}", digests[slug], files)
        self.rendered += len(missing)
        return [item for item in trials if self.slugs[item.path] not in without]

    def _write_models(self, tasks: Sequence[TaskSummary]) -> None:
        pages = Pages(self.styles, self.conformance, self.options)
        missing = []
        for name, (places, shown) in self._places_by_model(tasks).items():
            digest = _digest_of(repr((self.code, shown, self.styles[name], self.conformance)))
            path = f"models/{file_name(name)}.html"
            if not self.site.reuse(path, digest):
                missing.append((name, path, digest, places))
        for done, (name, path, digest, places) in enumerate(missing, start=1):
            page, culprits = make_without_culprits(partial(pages.model, name), places)
            left_out = [(f"models/{name}", f"{item.task.title}: {reason}") for item, reason in culprits]
            self._leave_out(left_out, by_error=bool(culprits))
            self.site.write(path, page or pages.model(name, []), "" if culprits else digest)
            self.show("models", done, len(missing))
        self.rendered += len(missing)

    def _places_by_model(self, tasks: Sequence[TaskSummary]) -> dict[str, tuple[list[ModelPlace], list[Any]]]:
        """Return by model its places in all groups and, for each place, the values that change the model's page."""
        by_model: dict[str, tuple[list[ModelPlace], list[Any]]] = {name: ([], []) for name in self.styles}
        for task in tasks:
            for group in task.groups:
                ranked_rows = len(group.ranked)
                about = (task.slug, task.title, task.metric, msgspec.structs.replace(group, places=[]), ranked_rows)
                digest = _digest_of(repr(about))  # hashed once per group, which may have hundreds of places
                for place in group.places:
                    by_model[place.model][0].append(
                        ModelPlace(task=task, group=group, place=place, ranked_rows=ranked_rows)
                    )
                    by_model[place.model][1].append((digest, place))
        return by_model

    def _write_shared(self, tasks: Sequence[TaskSummary], changes: Sequence[str], since: str) -> None:
        """Write the pages and files that belong to no task."""
        pages = Pages(self.styles, self.conformance, self.options)

        def render(some: Sequence[TaskSummary]) -> dict[str, str | bytes]:
            return {
                "index.html": pages.index(some, changes, since, self.left_out),
                "compare.html": pages.compare(some),
                "hardware.html": pages.hardware(some),
                "data/feed.xml": pages.feed(some),
                "data/summary.json": as_json(export.summary(some, changes, since)),
                **({"static/card.png": as_png(index_card(some))} if self.options.url else {}),
            }

        made, culprits = make_without_culprits(render, tasks)
        if culprits:
            left_out = [(f"tasks/{task.slug}.html", f"not on the index: {reason}") for task, reason in culprits]
            self._leave_out(left_out, by_error=True)
            lost = [task.name for task, _ in culprits]
            made = render([task for task in tasks if task.name not in lost])
        for name, content in (made or render([])).items():
            self.site.write(name, content)
        self.site.write("data/record.schema.json", json.dumps(records.schema(), indent=1) + "\n")
        for name, content in static_files():
            self.site.write(f"static/{name}", content)


def trial_slugs(trials: Iterable[Candidate]) -> dict[str, str]:
    """Return the file names of the trials' pages, by path; ids of two tasks that are equal get different names."""
    slugs: dict[str, str] = {}
    before = ""
    for item in sorted(trials, key=lambda item: (item.id, item.task)):
        slugs[item.path] = file_name(item.id if item.id != before else f"{item.task}/{item.id}")
        before = item.id
    return slugs


def _digest_of(text: str) -> str:
    return short_hash(text, DIGEST_DIGITS)


def page_code_digest() -> str:
    """A hash of this whole package: after any change to it, all pages are rendered again."""
    package = Path(__file__).parents[1]
    return files_digest(sorted(path for path in package.rglob("*") if path.suffix in CODE_SUFFIXES))
