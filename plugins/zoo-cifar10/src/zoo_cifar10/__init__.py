"""The zoo's CIFAR-10 plugin; `plugin.py` says what it adds."""
