"""Seed groups: runs of one configuration that differ by their seed alone are averaged, none is chosen among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kit import config as configs
from kit.errors import listed
from kit.storage.run_folder import Run

APART = ("seed", *configs.IMMATERIAL)  # knobs in which they may differ


def of(runs: Sequence[Run], count: int) -> list[list[int]]:
    """The positions of `count` members, those of one configuration together; the runs are the first of them.

    A run of a seed that its group has is a copy, or another machine's, and stands alone.
    """
    groups: dict[Any, dict[Any, int]] = {}
    for position in range(count):
        known, seed = _known(runs[position]) if position < len(runs) else (position, 0)
        groups.setdefault(known if seed not in groups.get(known, {}) else position, {})[seed] = position
    return [list(group.values()) for group in groups.values()]


def _known(run: Run) -> tuple[Any, int]:
    """What runs that differ by seed alone have in common, and the seed; a blend or a study stands alone."""
    record = run.record
    knobs = tuple(f"{name}={value}" for name, value in record.config.items() if name not in APART)
    known = run.path.resolve() if record.is_blend or record.study else (record.backbone, *knobs)
    return known, record.config["seed"]


def means(parts: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """The mean [g, n, c] of each group of parts [r, n, c]."""
    return np.stack([parts[list(group)].mean(axis=0) for group in groups])


def shared(weights: np.ndarray, groups: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """The weight of each of `count` members: an equal share of its group's."""
    each = np.zeros(count)
    for weight, group in zip(weights, groups, strict=True):
        each[list(group)] = weight / len(group)
    return each


def notes(groups: Sequence[Sequence[int]], names: Sequence[str]) -> list[str]:
    """A line on each group of several runs."""
    several = [[names[i] for i in group] for group in groups if len(group) > 1]
    return [f"{listed(one)} differ by their seed alone: averaged with equal weights, none is chosen" for one in several]
