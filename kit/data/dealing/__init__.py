"""Dealing: how rows come to their folds where that is more than a stratum a row: several labels a row, gaps in time."""
