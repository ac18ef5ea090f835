"""It states no licence."""

from sound import Pictures as Pictures
from sound import dataset

zoo_datasets = dataset(__name__, licence="")
