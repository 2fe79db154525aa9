"""Comparison: how much better one run is than another, how surely, on which rows, and on other folds."""
