"""Rows before they are learned from: folds, duplicates, augmentation, views, tokens, n-grams, text embeddings."""
