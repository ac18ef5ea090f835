"""The zoo's U-Net plugin; `plugin.py` says what it adds."""
