"""Contents of zoo-text: the tasks `char-rnn` and `word2vec`. Imports no torch."""

from __future__ import annotations

from zoo_core import CommandSpec, DatasetSpec, ModelSpec, TaskSpec, hookimpl
from zoo_text import char_rnn, word2vec


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [*char_rnn.TASKS, *word2vec.TASKS]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [*char_rnn.DATASETS, *word2vec.DATASETS]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [*char_rnn.MODELS, *word2vec.MODELS]


@hookimpl
def zoo_commands() -> list[CommandSpec]:
    return [*word2vec.COMMANDS]
