"""Kaggle's own package, in a child process: what starts it is `kit.kaggle.api`, what it answers is in `calls`."""
