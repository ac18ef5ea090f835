"""Its spec states that a lower accuracy is better."""

from sound import task

from zoo_core import Reference

zoo_tasks = task(
    __name__, higher_is_better=False, chance=None, target=None, references=(Reference(value=0.9, source="a paper"),)
)
