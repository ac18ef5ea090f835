"""Records of trials: their form, their files, and the import of benchmarks."""
