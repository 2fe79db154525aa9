"""Tasks: the fits of a run as processes, the nodes of a cluster or the jobs of a queue make them, each from the run's work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kit.pipeline import crossval
from kit.pipeline.preparation import Work, trained_rows
from kit.storage.runs.parts import SEAL, RunPart


@dataclass(frozen=True)
class Task:
    """A fit that something else than this process makes: `call(work, *arguments)`, a function of a module's, saves its state
    in `folder`, which is in the run's.

    `arguments`: plain values, as JSON has them; `result`: the file in the folder that is written last; `sound`: is all that it
    leaves as it was written? `reads`: patterns of files of other fits that it needs, in the run's folder; `rows`: training rows
    of all its epochs; `forgo`: takes what went wrong where a cluster has lost it again and again; without, that ends all tasks.
    """

    name: str
    call: Callable[..., object]
    arguments: tuple[Any, ...]
    folder: Path
    result: str
    sound: Callable[[], object] | None = None
    reads: tuple[str, ...] = ()
    rows: int = 0
    forgo: Callable[[str], None] | None = None

    @property
    def address(self) -> str:
        """Where another process finds `call`: "kit.module:name"."""
        return f"{self.call.__module__}:{self.call.__qualname__}"

    @property
    def finished(self) -> bool:
        """Is its result there, and sound?"""
        return (self.folder / self.result).exists() and (self.sound is None or bool(self.sound()))


def of_parts(work: Work, parts: Sequence[RunPart]) -> list[Task]:
    """The tasks that train these parts of a run and predict by them. A refit needs what the folds found."""
    return [
        Task(
            part.title,
            crossval.train_alone,
            (str(part),),
            work.run.fold(part),
            result=SEAL,
            sound=partial(crossval.finished, work.run.fold(part)),
            reads=(f"fold*/{SEAL}",) if part.fold is None else (),
            rows=work.config.epochs * trained_rows(work, part),
        )
        for part in parts
    ]
