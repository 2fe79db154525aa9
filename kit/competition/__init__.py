"""A competition: the facts that its organisers fixed, its adapter, its submission. Knows no models."""

from kit.adapter_files import folders, names
from kit.competition.facts import Competition
from kit.competition.loading import Adapter, load
from kit.competition.sample import Sample
from kit.competition.sources import first_of, numbered
from kit.competition.tables import Asked, Tables, asked_of, first, matched, prepare, sound

__all__ = [
    "Adapter",
    "Asked",
    "Competition",
    "Sample",
    "Tables",
    "asked_of",
    "first",
    "first_of",
    "folders",
    "load",
    "matched",
    "names",
    "numbered",
    "prepare",
    "sound",
]
