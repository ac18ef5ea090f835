"""What the site-wide pages need of a task, collected from the views of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from zoo_leaderboard.board.history import MAX_HISTORIES, ModelHistory
from zoo_leaderboard.board.regressions import StandingRegression, comparable_occasions, standing_regressions
from zoo_leaderboard.site.summary import GroupSummary, Place, Regression, TaskSummary
from zoo_leaderboard.site.views import GroupView, TaskView
from zoo_leaderboard.text import formats

MAX_SCORES = 30  # latest occasions of a row in its history


def summarise_task(view: TaskView, histories: Sequence[ModelHistory], acknowledged: Mapping[str, str]) -> TaskSummary:
    """Summarise a task; `histories` are all of its models. The regressions of `acknowledged` records are left out.

    The files of the task and what is known of its hardware are not in it yet.
    """
    facts, board = view.facts, view.board
    thumbnails = (group.pictures.thumbnail for group in view.groups if group.pictures)
    scores = _scores_over_time(histories)
    return TaskSummary(
        name=facts.name,
        title=facts.title,
        summary=facts.summary,
        slug=view.slug,
        metric=facts.metric,
        higher_is_better=facts.higher_is_better,
        version=facts.version,
        thumbnail=next(filter(None, thumbnails), ""),
        trials=board.counts.ran,
        failures=board.counts.failed,
        skipped=board.counts.skipped,
        newest=board.newest.started_at,
        models=board.models,
        groups=[_summarise_group(group, scores) for group in view.groups],
        files=[],
        kind=facts.kind,
        regressions=_regressions(view, histories, acknowledged),
        oldest=next((f"{trial.started_at} {trial.id}" for trial in board.history if trial.started_at), ""),
    )


def _scores_over_time(histories: Sequence[ModelHistory]) -> dict[str, list[float]]:
    """The scores of each history by the text of its latest row."""
    return {
        history.occasions[-1].last.row_text: [item.score for item in comparable_occasions(history)][-MAX_SCORES:]
        for history in histories
    }


def _summarise_group(view: GroupView, scores: Mapping[str, list[float]]) -> GroupSummary:
    newest, dataset = view.group.newest, view.record.dataset
    places = []
    for row in view.rows:
        place = msgspec.convert(row, Place, from_attributes=True)
        own = scores.get(row.row_text)
        places.append(msgspec.structs.replace(place, history=own) if own else place)
    return GroupSummary(
        anchor=view.group.anchor,
        dataset_title=dataset.title,
        origin=dataset.origin,
        recipe_class=newest.recipe_class,
        device_class=newest.device_class,
        task_version=newest.task_version,
        stale=view.group.stale,
        places=places,
        chance=view.record.task.chance,
        target=view.record.task.target,
    )


def _regressions(
    view: TaskView, histories: Sequence[ModelHistory], acknowledged: Mapping[str, str]
) -> list[Regression]:
    current = {row.row_text for group in view.groups if not group.group.stale for row in group.rows if row.current}
    anchors = {history.anchor for history in histories[:MAX_HISTORIES]}
    standing = standing_regressions(histories, current, acknowledged)
    return [_regression(item, view.trial_slugs, anchors) for item in standing]


def _regression(item: StandingRegression, slugs: Mapping[str, str], anchors: set[str]) -> Regression:
    history, trial = item.history, item.occasion.last
    size = abs(item.change.change)
    if item.quantity == "train time":
        words = f"{100 * size:.0f} % slower"
    else:
        words = f"score {'lower' if item.change.change < 0 else 'higher'} by {formats.score(size)}"
    return Regression(
        model=history.model,
        dataset=history.dataset,
        recipe_class=history.recipe_class,
        device_class=history.device_class,
        quantity=item.quantity,
        words=words,
        moment=item.occasion.moment,
        record=trial.id,
        anchor=history.anchor if history.anchor in anchors else "",
        trial_slug=slugs.get(trial.id, ""),
    )
