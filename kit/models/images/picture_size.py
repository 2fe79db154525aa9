"""Picture size: the pixels a side that suit a timm network and the pictures at hand, where `--size` leaves it to the kit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit import recipes
from kit.config import Config
from kit.inputs.base import Inputs
from kit.models import networks
from kit.storage import run_folder

if TYPE_CHECKING:
    import pandas as pd

FROM_SCRATCH = 128  # pixels a side of photos for a network without pretrained weights


def chosen(config: Config, inputs: Inputs, root: Path, train: pd.DataFrame, own: list[str]) -> int:
    """What `Config.size` says, or for a timm network what suits it; 0: the pictures' own size. `own`: the adapter's models."""
    if config.size or config.model in (*networks.OWN, *own) or not inputs.channels:
        return config.size
    if config.from_run:
        return int(run_folder.load(Path(config.from_run)).record.settings["size"])
    sides = inputs.sides(root, train)
    if config.weights:
        return recipes.side(networks.native_side(config.model), sides)
    photos = max(map(max, sides), default=0) > recipes.SMALL
    return FROM_SCRATCH if photos or len(set(sides)) > 1 else 0
