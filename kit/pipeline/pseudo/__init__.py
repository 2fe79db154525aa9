"""Pseudo-labels: test rows that train, answered by another run's models (`--pseudo`), so that no fold's truth leaks."""
