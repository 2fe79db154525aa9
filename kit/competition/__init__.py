"""A competition: the facts that its organisers fixed, its adapter, its submission. Knows no models."""

from kit.competition.facts import Asked, Competition, Tables, first, matched, numbered, prepare, sound
from kit.competition.loading import Adapter, folders, load, names

__all__ = [
    "Adapter",
    "Asked",
    "Competition",
    "Tables",
    "first",
    "folders",
    "load",
    "matched",
    "names",
    "numbered",
    "prepare",
    "sound",
]
