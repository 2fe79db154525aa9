"""Texts as numbers without a vocabulary: hashes, n-grams of characters, statistics of style."""
