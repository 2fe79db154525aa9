"""Probe: a linear head on a frozen backbone (`--strategy probe`), fitted to features that are computed once."""
