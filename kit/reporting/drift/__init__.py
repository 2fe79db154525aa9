"""Drift: whether a classifier can tell training rows from test rows, how surely, and by what."""
