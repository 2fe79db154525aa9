"""Modules of texts."""
