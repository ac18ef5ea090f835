"""Nets that answer with a class for every pixel, one family a file."""
