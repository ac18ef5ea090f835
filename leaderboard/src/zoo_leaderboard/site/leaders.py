"""The lines of the index's first table: for each task and device class, the leading models of one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo_leaderboard.site.bars import Bar, bar_of, scale_of, spark_points
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LeaderLine:
    """A task on one device class. `group` is None without a score, and `device` is empty without any group.

    best: the row with the best mean. tied: the other rows that may be first. first: the task's first line. spark: the
    points of the scores over time, empty without a history.
    """

    task: TaskSummary
    device: str
    first: bool
    group: GroupSummary | None = None
    best: Place | None = None
    tied: Sequence[Place] = ()
    bar: Bar | None = None
    spark: str = ""


def leader_lines(tasks: Sequence[TaskSummary]) -> list[LeaderLine]:
    """Return the lines of all tasks: one for each device class with up-to-date rows, at least one for each task."""
    lines = []
    for task in tasks:
        devices = sorted({group.device_class for group in task.groups if not group.stale}) or [""]
        lines += [_line(task, device, first=number == 0) for number, device in enumerate(devices)]
    return lines


def _line(task: TaskSummary, device: str, *, first: bool) -> LeaderLine:
    group = task.shown_group(device)
    if group is None:
        return LeaderLine(task=task, device=device, first=first)
    best = group.leaders[0] if group.leaders else group.current[0]
    others = [place.score for place in group.current if place is not best]
    scale = scale_of(
        [best.score, best.low, best.high, group.chance, group.target, *others],
        metric=task.metric,
        higher_is_better=task.higher_is_better,
        whole_range=True,
    )
    return LeaderLine(
        task=task,
        device=device,
        first=first,
        group=group,
        best=best,
        tied=group.leaders[1:],
        bar=bar_of(best, scale, chance=group.chance, target=group.target, others=others),
        spark=spark_points(best.history, higher_is_better=task.higher_is_better),
    )
