"""The zoo's timm plugin; `plugin.py` says what it adds."""
