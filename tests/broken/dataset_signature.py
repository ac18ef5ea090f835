"""Its spec states larger images than it loads."""

from sound import Pictures as Pictures
from sound import dataset

from zoo_core import Signature

zoo_datasets = dataset(__name__, signature=Signature(input_shape=(3, 9, 9), outputs=3))
