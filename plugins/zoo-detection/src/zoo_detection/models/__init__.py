"""The detectors, one file a family."""
