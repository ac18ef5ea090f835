"""Runs and grades the submissions of a class."""
