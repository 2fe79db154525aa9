"""Presets: how they become the configuration of a run, by flags, recipes and the files."""
