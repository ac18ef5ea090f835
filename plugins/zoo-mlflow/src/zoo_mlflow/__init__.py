"""The zoo's MLflow plugin; `plugin.py` lists its contents."""
