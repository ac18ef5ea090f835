"""Data, from files to batches on the device: downloads, archives, fingerprints, decoded columns, splits, batches."""
