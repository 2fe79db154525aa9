"""Blending: what is combined, what judges it, and stacks: regressions on the predictions of several runs."""
