"""Its quick preset sets an unknown key."""

from sound import task

zoo_tasks = task(__name__, quick={"lerning_rate": 0.1})
