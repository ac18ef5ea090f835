"""The zoo's TensorBoard plugin; `plugin.py` lists its contents."""
