"""Equations: drawn ones, laid out like those of `quadratic`, to try the reader without Kaggle's files."""

from dataclasses import replace

from kit.competition import load

_real = load("quadratic")
competition = replace(
    _real.competition,
    slug="drawn-equations",
    embedded=lambda root: _real.competition.invent(_real.competition, root, 400, 100),
)
presets = {name: _real.preset(name) for name in ("fast", "best")}
