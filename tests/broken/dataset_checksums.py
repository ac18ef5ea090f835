"""Its download has half a checksum."""

from sound import Pictures as Pictures
from sound import dataset

from zoo_core import Download

FILE = Download(name="file.zip", urls=("https://example.org/file.zip",), sha256="abc123de")
zoo_datasets = dataset(__name__, downloads=(FILE,))
