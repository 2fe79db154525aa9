"""Modules of tables."""
