"""Work: everything the stages of a run share, and how it comes about from a competition's files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kit import competition as competitions, config as configs, recipes
from kit.config import Config
from kit.console import Progress, clock
from kit.data import folds as dealing
from kit.data.folds import Folds
from kit.errors import Usage
from kit.inference import members
from kit.inputs.base import Loaded, kind_of
from kit.labels import to_json
from kit.models import prediction, registry
from kit.models.base import FoldModel
from kit.pipeline import initial_weights, rows
from kit.pipeline.clusters import Cluster
from kit.pipeline.presets.resolution import beginning, family_of
from kit.pipeline.pseudo import pseudo_labels
from kit.pipeline.pseudo.pseudo_labels import PseudoLabels
from kit.reporting import canvas, figures
from kit.storage.run_folder import Run
from kit.storage.run_record import TimeFit
from kit.storage.runs.parts import RunPart
from kit.training import engines, lr_finder
from kit.training.deadline import Budget
from kit.training.fold import Fold
from kit.training.profile import Timings
from kit.training.signals import Stop

PREDICTING = 0.5  # of a time budget at most, where fewer views can help


class Pace:
    """Seconds that a row's prediction takes, where a time budget asks for it; the slowest.

    `tried`: was a test row predicted before the first fold?
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.tried = False

    def saw(self, seconds: float) -> None:
        """A row took so long."""
        self.seconds = max(self.seconds, seconds)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What one process was asked for. `only`: these folds; `beside`: does it work beside the process that prepared the run?

    `began`: `time.monotonic()` before anything was imported or read.
    """

    stop: Stop
    budget: Budget
    began: float
    quiet: bool = False
    only: Sequence[int] | None = None
    beside: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """Everything the stages of one run share.

    `x`, `test`: the training rows, with extra ones behind them, and test rows as the inputs load them; `y`: the answers of `x`;
    `pseudo`: what folds learn of the test rows (and unlabelled ones), which are behind those of `x` then;
    `asked`: the parts (folds, refits) to train;
    `read_seconds`: that imports and the files took; `weigh`: are there predictions without views and averages too, to tell
    whether those paid? `cluster`: what trains the folds; None: this machine.
    """

    run: Run
    adapter: competitions.Adapter
    config: Config
    tables: competitions.Tables
    y: np.ndarray
    x: Any
    test: Loaded
    folds: Folds
    stop: Stop
    progress: Progress
    budget: Budget
    asked: tuple[RunPart, ...]
    identity: str = ""
    timings: Timings = field(default_factory=Timings)
    pace: Pace = field(default_factory=Pace)
    read_seconds: float = 0.0
    weigh: bool = True
    cluster: Cluster | None = None
    pseudo: PseudoLabels | None = None

    @cached_property
    def groups(self) -> np.ndarray | None:
        """The competition's groups of the training rows, with extra ones, whole numbers [n]; None where it has none."""
        column = self.adapter.competition.group
        return dealing.codes(self.tables.rows[column]) if column and column in self.tables.rows else None


def prepare(run: Run, adapter: competitions.Adapter, config: Config, root: Path, session: Session) -> Work:
    """Read the files, load the inputs, deal the folds (or check those of the run), choose what is left to the kit."""
    engines.check(config, adapter.parts)  # what is wrong with these is said before anything is read
    progress = Progress(quiet=session.quiet)
    begun = weights_remarks(adapter, config)
    for note in begun if not session.beside else []:
        progress.say(note)
    tables, train, test, notes = rows.load(run, adapter, config, root, progress, session.budget)
    notes += one_seed(run, adapter, config, len(tables.train))
    config = config.changed(**(run.record.chosen or {}))
    y = tables.encoded()
    dealt, doubled = rows.folds_of(run, adapter.competition, tables, y, (train, test), config)
    share = config.pseudo_share or module_of(adapter, config).pseudo_share
    sharing = config.changed(pseudo_share=share)
    pseudo, x, said = pseudo_labels.read(run, adapter.competition, tables, (train, test), dealt, sharing)
    if not session.beside:
        notes = [*tables.notes, *notes, *doubled, *said]
        keep(run, tables, y[: len(tables.train)], dealt, begun + notes + (run.record.in_time or {}).get("notes", []))
        for note in notes:
            progress.say(note)
    work = Work(
        run=run, adapter=adapter, config=config, tables=tables, y=y,
        x=x, test=test, folds=dealt,
        stop=session.stop, progress=progress, budget=session.budget, asked=asked(config, dealt, session.only), pseudo=pseudo,
    )  # fmt: skip
    work = settled(work)
    progress.expect(work.config.epochs * sum(trained_rows(work, part) for part in work.asked))
    return replace(work, read_seconds=time.monotonic() - session.began)


def keep(run: Run, tables: competitions.Tables, y: np.ndarray, dealt: Folds, notes: list[str]) -> None:
    """Write what the run's folder holds of the rows and answers, and of what was noticed about them."""
    rows.keep_truth(run, tables, y)
    run.note(
        folds=dealt.numbers,
        repeated=[one.numbers for one in dealt.further] or None,
        labels=to_json(tables.labels),
        spellings=tables.spellings and tables.spellings.json(),
        notes=notes,
        prior=tables.labels.prior(y).tolist(),
        extra_rows=None if tables.extra is None else len(tables.extra),
    )


def module_of(adapter: competitions.Adapter, config: Config) -> type[FoldModel]:
    """The class of module that `--model` stands for here."""
    facts = adapter.competition
    return registry.kind_class(config.model, facts.inputs.kind, facts.labels.reads, adapter.parts)


def weights_remarks(adapter: competitions.Adapter, config: Config) -> list[str]:
    """What there is to say of the weights that the fits begin with, before hours of reading. Raises where they are unusable."""
    facts, module = adapter.competition, module_of(adapter, config)
    if facts.extra and config.extra_weight not in (0, 1) and not module.takes_weights:
        if module.__module__.startswith("kit."):
            raise Usage(
                f"--extra-weight {config.extra_weight:g}: {module.__name__} counts all rows alike. Give 1 (or 0: none)."
            )
        raise Usage(
            f"--extra-weight {config.extra_weight:g}: {module.__name__} has a training_step of its own. Let that heed"
            " `batch.weights` and state `takes_weights = True` in the class, or give 1 (or 0: no extra rows)."
        )
    if config.pseudo and config.pseudo_weight not in (0, 1) and not module.takes_weights:
        raise Usage(
            f"--pseudo-weight {config.pseudo_weight:g}: {module.__name__} has a training_step of its own. Let that heed"
            " `batch.weights` and state `takes_weights = True` in the class, or give 1 (or 0: no test rows)."
        )
    return module.remarks(config, facts.inputs.channels)


def one_seed(run: Run, adapter: competitions.Adapter, config: Config, count: int) -> list[str]:
    """A line where several seeds are asked for, and would learn the same from so many rows: then one is trained, as `run.json`
    notes. Nothing else."""
    if config.seeds == 1 or module_of(adapter, config).seeded(config, count):
        return []
    chosen = run.record.chosen or {}
    if "seeds" not in chosen:
        run.note(chosen=chosen | {"seeds": 1})
    return [f"--seeds {config.seeds}: the seed changes nothing that --model {config.model} learns here: one model a fold"]


def asked(config: Config, dealt: Folds, only: Sequence[int] | None) -> tuple[RunPart, ...]:
    """The folds to train, and the refits where a Config wants them. Raises Usage for a fold that there is not."""
    unknown = [k for k in only or [] if all(k not in one.numbers for one in dealt.repeats)]
    if unknown:
        raise Usage(f"--only-fold {unknown[0]}: this run has the folds {', '.join(map(str, dealt.numbers))}.")
    every = RunPart.every([one.numbers for one in dealt.repeats], config.seeds, config.final)
    return tuple(part for part in every if only is None or part.fold in only)


def settled(work: Work) -> Work:
    """The work with what the Config leaves to the kit: epochs, rate, batch, what a time budget allows; the run's identity."""
    family = family_of(work.adapter, work.config)
    if not work.config.epochs:
        work = replace(work, config=work.config.changed(epochs=epochs_of(work)))
    if any(getattr(work.config, name) == 0 and name in family.heeds for name in ("lr", "batch")):
        work = replace(work, config=tuned(work))
    if not family.one_step:
        config, weigh = in_time(work)
        work = replace(work, config=config, weigh=weigh)
    apart = dict.fromkeys((*configs.IMMATERIAL, *configs.GROWING))
    known = [work.config.json() | apart, work.run.record.data, work.folds.fold.tolist()]
    if work.folds.extra.size:
        known.append([work.run.record.extra, work.folds.extra.tolist()])
    if work.pseudo is not None:
        known.append([work.run.record.pseudo, work.pseudo.digest])
    return replace(work, identity=hashlib.sha256(json.dumps(known).encode()).hexdigest())


def epochs_of(work: Work) -> int:
    """Epochs by the model's recipe for the rows of a fold, found once and kept in `run.json`."""
    recipe = recipes.of(work.config, kind_of(work.x), work.adapter.parts.models) or recipes.CONVNET
    count = len(fold_of(work, RunPart(work.folds.numbers[0]), work.config).train)
    epochs = recipe.epochs(count)
    work.progress.say(f"--epochs auto: {epochs} for {count:,} training rows of a fold")
    work.run.note(chosen=(work.run.record.chosen or {}) | {"epochs": epochs})
    return epochs


def tuned(work: Work) -> Config:
    """The Config with numbers for `auto`, found once on the training rows of the first fold and kept in `run.json`."""
    chosen = work.run.record.chosen or {}
    if "lr" not in chosen:
        preset = beginning(work.adapter, work.run.record.preset, work.config, configs.by_hand(work.run.record.origins))
        fold = fold_of(work, RunPart(work.folds.numbers[0]), work.config)
        config, said, curve = lr_finder.tuned(fold, len(work.asked), preset)
        if curve is not None:
            canvas.write_svg(work.run.path / "lr.svg", figures.range_test(curve, config.lr))
            said[-1] += f" ({work.run.path / 'lr.svg'})"
        for line in said:
            work.progress.say(line)
        chosen |= {"lr": config.lr, "batch": config.batch}
        work.run.note(chosen=chosen)
    return work.config.changed(**chosen)


def in_time(work: Work) -> tuple[Config, bool]:
    """The Config with as many views as a time budget has time for, and is there time to weigh them and the averages?

    Predictions may take PREDICTING of it; where one view takes longer, fewer folds answer the test. Found once, by an
    untrained module, and kept in `run.json`.
    """
    config, found = work.config, work.run.record.in_time
    if found is None and config.time_budget:
        fold = fold_of(work, RunPart(work.folds.numbers[0]), config.changed(views=1))
        module = registry.make(fold.config, fold.labels, fold.x, steps=1, mirror=fold.mirror, parts=fold.parts)
        fold.teach(module)
        each, left = prediction.pace(module.eval(), fold.x, fold.config), work.budget.left
        rows, test, models = len(work.folds.fold), len(work.test.rows), len(set(members.answering(work.run)) & set(work.asked))
        models, rows = (min(models, 1), rows) if module.one_pass else (models, rows * config.seeds * config.repeats)
        share = PREDICTING * left / each  # rows of one view
        weigh = (rows + models * test) * config.views + 2 * rows <= share
        views = config.views if weigh else max(1, min(config.views, int(share / (rows + models * test))))
        enough = max(1, min(models, int((share - rows) / test)))
        if views < config.views:
            work.progress.say(f"--time-budget: {views} of {config.views} views; training needs the time of the others")
        notes = [f"--time-budget: {enough} of {models} models answer the test; there is no time for the others"]
        notes = notes if enough < models else []
        for note in notes:
            work.progress.say(note)
        if each * (rows + enough * test) > left:
            least = clock(each * (rows + enough * test))
            work.progress.say(f"--time-budget: predictions alone take about {least}, which is longer")
        fewer: TimeFit = {"answering": enough, "notes": notes} if notes else {}
        found = TimeFit(views=views, weigh=weigh, **fewer)
        work.run.note(in_time=found, notes=work.run.record.notes + notes)
    found = found or TimeFit(views=config.views, weigh=True)
    return config.changed(views=found["views"]), found["weigh"]


def fold_of(work: Work, part: RunPart, config: Config) -> Fold:
    """The fit of a part of the run. Its seed is the run's, and one more for each repeat and each seed before it."""
    train, valid = rows_of(work, part)
    facts = work.adapter.competition
    fold = Fold(
        name=part.title.replace(f"fold {part.fold}", f"fold {part.fold} of {work.config.folds}"),
        number=-1 if part.fold is None else part.fold,
        repeat=part.repeat,
        folder=work.run.fold(part),
        x=work.x,
        y=work.y,
        train=train,
        valid=valid,
        config=config.changed(seed=config.seed + part.later) if part.later else config,
        labels=work.tables.labels,
        metric=facts.metric,
        identity=work.identity,
        mirror=facts.inputs.mirror,
        source=initial_weights.source(work.config.from_run, work.run, part),
        groups=work.groups,
        weights=weights_of(work),
        parts=work.adapter.parts,
    )
    return fold if work.pseudo is None else work.pseudo.onto(fold, part)


def weights_of(work: Work) -> np.ndarray | None:
    """The weights of all rows' losses, float32 [n]; None where all count alike."""
    if work.config.extra_weight == 1 or not work.folds.extra.size:
        return None
    weights = np.ones(len(work.y), np.float32)
    weights[len(work.folds.fold) :] = work.config.extra_weight
    return weights


def rows_of(work: Work, part: RunPart) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the rows that a fold trains on and validates; all and none for a refit."""
    if part.fold is None:
        return work.folds.everything(), np.array([], int)
    return work.folds.repeats[part.repeat].split(part.fold)


def trained_rows(work: Work, part: RunPart) -> int:
    """How many rows a fit of a part trains on in an epoch, those of `--pseudo` among them."""
    return len(rows_of(work, part)[0]) + (work.pseudo.count(part) if work.pseudo else 0)
