"""Judges the score on val before the first step: an untrained model cannot know the labels."""

from __future__ import annotations

from zoo_core.runner.executor import WorkerResult
from zoo_core.runner.planned_trial import PlannedTrial

# With ten classes or more, an untrained model reaches half of the way from chance to 1 only if at least five of its
# outputs happen to fit their classes. With fewer classes it may.
MAX_CHANCE, SHARE = 0.1, 0.5


def find_undeclared_knowledge(trial: PlannedTrial, result: WorkerResult) -> str:
    """Return why the model must have been trained before the training; "" if its initial score shows no such thing.

    A model that has initial weights, or whose spec says what it was trained on, may know anything.
    """
    done, facts = result.trial_done, result.facts
    score = done.measured.initial_score if done else None
    chance = facts.chance if facts else None
    if score is None or chance is None or trial.weights_name or trial.model.pretrained_on:
        return ""
    task = trial.task
    if task.target is not None and _is_as_good(score, task.target, higher=task.higher_is_better):
        if _is_as_good(chance, task.target, higher=task.higher_is_better):
            return ""
    elif not (task.metric == "accuracy" and chance <= MAX_CHANCE and score >= chance + SHARE * (1 - chance)):
        return ""
    return (
        f"before the first step, {task.metric} on val is {score:.4g} (chance level: {chance:.4g}), but the model "
        "declares no weights: it was trained while it was built, or its code holds what it knows; give --weights, or "
        "say in `pretrained_on` of its ModelSpec where that is from"
    )


def _is_as_good(score: float, target: float, *, higher: bool) -> bool:
    return score >= target if higher else score <= target
