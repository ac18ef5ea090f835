"""The lowest and the highest possible score of a metric, by its name; intervals end there."""

from __future__ import annotations

from math import inf

from zoo_leaderboard.stats.intervals import ANY, Bounds

# Metrics from 0 to 1, as whole names or as last words: `accuracy`, `pixel_accuracy`, `mean_iou`.
SHARES = ("accuracy", "auc", "dice", "f1", "iou", "map50", "precision", "recall", "recall_at_1", "specificity")
# Metrics that are 1 at best, and negative if worse than a constant.
AT_MOST_ONE = ("r2",)
# Errors and distances that cannot be negative. A loss is not among them: a negative log-likelihood may be below 0.
NON_NEGATIVE = ("distance", "error", "frechet", "mae", "mse", "rmse")


def score_range(metric: str, higher_is_better: bool) -> Bounds:
    """Return the range of a metric that the zoo knows by name, and no bounds for any other."""
    last_word = metric.rpartition("_")[2]
    if higher_is_better and (metric in SHARES or last_word in SHARES):
        return 0.0, 1.0
    if higher_is_better and last_word in AT_MOST_ONE:
        return -inf, 1.0
    if not higher_is_better and last_word in NON_NEGATIVE:
        return 0.0, inf
    return ANY
