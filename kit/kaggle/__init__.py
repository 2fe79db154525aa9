"""Kaggle: download, submit, datasets, kernels, by its own client in a process of its own."""
