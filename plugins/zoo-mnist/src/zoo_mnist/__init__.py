"""The zoo's MNIST plugin; `plugin.py` says what it adds."""
