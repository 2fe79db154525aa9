"""Runs: what a run's folder holds, as files."""
