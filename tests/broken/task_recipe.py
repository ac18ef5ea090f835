"""Its quick preset sets a key that nobody has."""

from sound import task

zoo_tasks = task(__name__, quick={"lerning_rate": 0.1})
