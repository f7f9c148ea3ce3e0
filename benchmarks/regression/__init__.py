"""Regression tests: a small training and its attacks, compared text by text with stored references."""
