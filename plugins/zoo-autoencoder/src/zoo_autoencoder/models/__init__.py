"""The models; see `plugin.py`."""
