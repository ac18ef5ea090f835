"""The zoo-sobel plugin; `plugin.py` says what it adds."""
