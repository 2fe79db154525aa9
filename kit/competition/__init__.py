"""A competition: the facts that its organisers fixed, its adapter, its submission. Knows no models."""

from kit.competition.facts import Competition
from kit.competition.loading import Adapter, folders, load, names
from kit.competition.tables import Asked, Tables, first, matched, numbered, prepare, sound

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
