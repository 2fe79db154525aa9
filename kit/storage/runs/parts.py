"""Run parts: the fits that a run is made of: a fold or the refit, of a repeat of the folds, of a seed; a folder each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SEAL = "fold.json"  # the file of a part that is written last, with the checksums of the others
NAME = re.compile(r"(?:fold(?P<fold>\d+)|refit)(?:-repeat(?P<repeat>\d+))?(?:-seed(?P<seed>\d+))?")


@dataclass(frozen=True)
class RunPart:
    """One fit. `fold`: its number, None: the refit on all rows; `repeat`: of the folds, 0: as they are dealt first; `seed`:
    of the models of this fold, 0: the first.

    As text it is the name of its folder: `fold0`, `fold0-repeat1`, `fold0-seed2`, `refit`.
    """

    fold: int | None
    repeat: int = 0
    seed: int = 0

    @classmethod
    def of(cls, name: str) -> RunPart:
        """The part of a folder's name; undoes `str`."""
        found = NAME.fullmatch(name)
        assert found is not None, name
        numbers = {key: int(value) for key, value in found.groupdict().items() if value}
        return cls(numbers.pop("fold", None), **numbers)

    @classmethod
    def every(cls, folds: Sequence[Sequence[int]], seeds: int, final: str) -> list[RunPart]:
        """All parts of a run: the folds of every repeat (`folds`: their numbers), of every seed; then a refit for every seed,
        where `final` (a value of `--final`) asks for one."""
        every = [cls(k, repeat, seed) for seed in range(seeds) for repeat, some in enumerate(folds) for k in some]
        return every + ([cls(None, seed=seed) for seed in range(seeds)] if final != "folds" else [])

    def __str__(self) -> str:
        return ("refit" if self.fold is None else f"fold{self.fold}") + self._further("-{}{}")

    @property
    def label(self) -> str:
        """What it is called in a table: `0`, `0, repeat 1, seed 2`, `refit`."""
        return ("refit" if self.fold is None else str(self.fold)) + self._further(", {} {}")

    @property
    def title(self) -> str:
        """What it is called in a line: `fold 0`, `fold 0, seed 2`, `refit`."""
        return self.label if self.fold is None else f"fold {self.label}"

    @property
    def later(self) -> int:
        """By how much its seed is larger than the run's own."""
        return self.repeat + self.seed

    def _further(self, form: str) -> str:
        return "".join(form.format(name, value) for name, value in (("repeat", self.repeat), ("seed", self.seed)) if value)
