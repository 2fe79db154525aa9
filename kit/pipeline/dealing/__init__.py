"""Dealing: where a run's folds come from besides the kit's own: a file or another run; and which folds extra rows train."""
