"""The models, one family a file; `form` has what the small-image forms share."""
