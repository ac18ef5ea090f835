"""Writes all pages of one build into the new site. A page that cannot be made is left out by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from zoo_core.results import records
from zoo_leaderboard.board.tables import Versions
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.records.index import (
    MAX_CANDIDATES,
    Candidate,
    Head,
    Shard,
    all_candidates,
    newest_versions,
    select_candidates,
)
from zoo_leaderboard.site import export, plots
from zoo_leaderboard.site.folder import Site
from zoo_leaderboard.site.isolation import WrittenTask, write_task_without_bad_records
from zoo_leaderboard.site.pages import ModelPlace, Pages, static_files
from zoo_leaderboard.site.processes import Failure, Progress, attempt, run_all
from zoo_leaderboard.site.summary import SiteState, TaskSummary, describe_changes
from zoo_leaderboard.site.taskpage import TaskJob
from zoo_leaderboard.site.trialpage import TrialsJob, write_trials
from zoo_leaderboard.text.documents import as_json
from zoo_leaderboard.text.names import file_name, files_digest, short_hash

TRIALS_PER_JOB = 50
DIGEST_DIGITS = 32
CODE_SUFFIXES = (".py", ".html", ".css", ".js", ".svg")


class Builder:
    """One build: the new site, the heads of the record folders, and the state left by the previous build.

    `failed` names each page and record that is left out because it made a page fail, with the reason.
    """

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
        self.code = page_code_digest()
        self.rendered = 0
        self.failed: list[tuple[str, str]] = []

    def write(self, trial_pages: int | None) -> SiteState:
        """Write every page and return the state for the next build."""
        slugs = self._write_trials(self._trials_with_pages(trial_pages))
        tasks = self._write_tasks(slugs)
        summaries = sorted((task for _, task in tasks.values()), key=lambda task: (task.title.casefold(), task.name))
        self._write_models(summaries)
        before = {name: task for name, (_, task) in self.previous.tasks.items()}
        before = {name: task for name, task in before.items() if name in tasks or name not in self.models_of}
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

    def _fail(self, what: str, reason: str) -> None:
        self.failed.append((what, reason))

    def _file_names(self, what: str, names: Iterable[str]) -> dict[str, str]:
        """The file name of each name. A name made so that its file is another's would replace that page: left out."""
        slugs: dict[str, str] = {}
        taken: dict[str, str] = {}
        for name in names:
            slug = file_name(name)
            if taken.setdefault(slug.casefold(), name) == name:
                slugs[name] = slug
            else:
                self._fail(f"{what} {name}", f"its file would be that of {taken[slug.casefold()]}")
        return slugs

    def _trials_with_pages(self, limit: int | None) -> list[Candidate]:
        """The trials that get pages; an id in two folders counts once."""
        if limit is None or limit > MAX_CANDIDATES:
            offered = [item for shard, head in self.shards if head.trials for item in all_candidates(shard)]
        else:
            offered = [item for _, head in self.shards for item in head.candidates]
        return select_candidates({item.id: item for item in offered}.values(), limit)

    def _write_tasks(self, trial_slugs: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, TaskSummary]]:
        """Write the files of changed tasks and reuse the others; returns each task's digest and summary."""
        tasks, jobs, digests = {}, [], {}
        for name in self._file_names("task", sorted(self.models_of)):
            job = self._task_job(name, trial_slugs.get(name, {}))
            digests[name] = self._digest([head.digest for _, head in self.shards if name in head.tasks], job)
            digest, summary = self.previous.tasks.get(name, ("", None))
            if summary is not None and digest == digests[name] and self.site.reuse(f"task {name}", digest):
                tasks[name] = (digest, summary)
            else:
                jobs.append(job)
        write = write_task_without_bad_records
        for job, made in run_all(write, jobs, self.workers, lambda *n: self.show("tasks", *n)):
            self._take_task(job.name, digests[job.name], made, tasks)
        self.rendered += len(jobs)
        return tasks

    def _take_task(self, name: str, digest: str, made: WrittenTask, tasks: dict[str, tuple[str, TaskSummary]]) -> None:
        """Add a written task to the site and to `tasks`. One with left out records is written again next time."""
        for path, reason in made.left_out:
            self._fail(f"record {path}", reason)
        if made.summary is None:
            self._fail(f"task {name}", made.reason)
            return
        digest = "" if made.left_out else digest
        self.site.register(f"task {name}", digest, made.summary.files)
        tasks[name] = (digest, made.summary)

    def _task_job(self, name: str, pages: Mapping[str, str]) -> TaskJob:
        models = self.models_of[name]
        datasets = {dataset for _, head in self.shards if name in head.tasks for dataset in head.datasets}
        return TaskJob(
            name=name,
            shards=[shard for shard, head in self.shards if name in head.tasks],
            versions=Versions(
                tasks={name: self.versions.tasks[name]},
                datasets={dataset: self.versions.datasets[dataset] for dataset in sorted(datasets)},
                models={model: self.versions.models[model] for model in models},
            ),
            styles={model: self.styles[model] for model in models},
            conformance=self.conformance,
            trial_slugs=pages,
            folder=self.site.folder,
        )

    def _digest(self, heads: Sequence[str], job: TaskJob) -> str:
        """A hash of everything that a task's files are made from."""
        parts = (self.code, heads, job.name, job.versions, job.styles, job.conformance, job.trial_slugs)
        return _digest_of(repr(parts))

    def _write_trials(self, trials: Sequence[Candidate]) -> dict[str, dict[str, str]]:
        """Write the pages of trials; returns by task the file names of the pages by record id."""
        slugs = self._file_names("trial", (item.id for item in trials))
        by_slug = {slugs[item.id]: item for item in trials if item.id in slugs}
        shared = repr((self.code, sorted(self.styles.items()), self.conformance))
        digests = {slug: _digest_of(shared + item.stamp) for slug, item in by_slug.items()}
        missing = [slug for slug in by_slug if not self.site.reuse(f"trial {slug}", digests[slug])]
        jobs = [
            TrialsJob(
                paths={slug: by_slug[slug].path for slug in missing[start : start + TRIALS_PER_JOB]},
                styles=self.styles,
                conformance=self.conformance,
                folder=self.site.folder,
            )
            for start in range(0, len(missing), TRIALS_PER_JOB)
        ]
        for _, made in run_all(write_trials, jobs, self.workers, lambda *n: self.show("trials", *n)):
            for slug, files in made.items():
                if isinstance(files, Failure):
                    self._fail(f"trial {by_slug.pop(slug).id}", files.reason)
                else:
                    self.site.register(f"trial {slug}", digests[slug], files)
        self.rendered += len(missing)
        pages: dict[str, dict[str, str]] = {}
        for slug, item in by_slug.items():
            pages.setdefault(item.task, {})[item.id] = slug
        return pages

    def _write_models(self, tasks: Sequence[TaskSummary]) -> None:
        pages = Pages(self.styles, self.conformance)
        missing = []
        places_of = self._places_by_model(tasks)
        for name, slug in self._file_names("model", places_of).items():
            places, shown = places_of[name]
            digest = _digest_of(repr((self.code, shown, self.styles[name], self.conformance)))
            path = f"models/{slug}.html"
            if not self.site.reuse(path, digest):
                missing.append((name, path, digest, places))
        for done, (name, path, digest, places) in enumerate(missing, start=1):
            page = attempt(partial(pages.model, name), places)
            if isinstance(page, Failure):
                self._fail(f"model {name}", page.reason)
            else:
                self.site.write(path, page, digest)
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
        """Write the pages and files that belong to no task. A task that makes them fail alone is left out of them."""
        render = partial(self._render_shared, changes, since)
        made = attempt(render, tasks)
        if isinstance(made, Failure):
            reasons = {
                task.name: tried.reason for task in tasks if isinstance(tried := attempt(render, [task]), Failure)
            }
            self.failed += [(f"task {name} on the pages of all tasks", reason) for name, reason in reasons.items()]
            made = render([task for task in tasks if task.name not in reasons])
        for name, page in made.items():
            self.site.write(name, page)
        self.site.write("data/record.schema.json", json.dumps(records.schema(), indent=1) + "\n")
        for name, content in static_files():
            self.site.write(f"static/{name}", content)

    def _render_shared(
        self, changes: Sequence[str], since: str, tasks: Sequence[TaskSummary]
    ) -> dict[str, str | bytes]:
        pages = Pages(self.styles, self.conformance)
        unreadable = sum(len(head.unreadable) for _, head in self.shards)
        return {
            "index.html": pages.index(tasks, changes, since, unreadable, self.failed),
            "compare.html": pages.compare(tasks),
            "data/summary.json": as_json(export.summary(tasks, changes, since)),
        }


def _digest_of(text: str) -> str:
    return short_hash(text, DIGEST_DIGITS)


def page_code_digest() -> str:
    """A hash of this whole package: after any change to it, all pages are rendered again."""
    package = Path(__file__).parents[1]
    return files_digest(sorted(path for path in package.rglob("*") if path.suffix in CODE_SUFFIXES))
