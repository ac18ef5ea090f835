"""How the small backbone was made: drawn animals that are no drawn dogs. `make_backbone.py` trains on them."""
