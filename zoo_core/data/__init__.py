"""Data on their way to a model: files and fingerprints, columns on disk, splits, batches on the device."""
