"""Work: everything the stages of a run share, and how it comes about from a competition's files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions, config as configs
from kit.config import Config
from kit.console import Progress, clock
from kit.data import duplicates, folds, ngrams, text_embeddings
from kit.data.folds import Folds
from kit.errors import BadData, Usage, listed
from kit.inference import members
from kit.inputs.base import Keep, Loaded
from kit.inputs.text import Text, Texts
from kit.labels import to_json
from kit.models import prediction, registry
from kit.pipeline import initial_weights
from kit.pipeline.plan import family_of
from kit.reporting import canvas, figures
from kit.storage import frames
from kit.storage.run_folder import Run
from kit.training import lr_finder, trainer_options
from kit.training.deadline import Budget
from kit.training.fold import Fold
from kit.training.profile import Timings
from kit.training.signals import Stop

LEARNING = 0.5  # of what is left of a time budget at most, for vectors of texts
PREDICTING = 0.5  # of a time budget at most, where fewer views can help


class Pace:
    """Seconds that a row's prediction takes, where a time budget asks for it; the slowest that was seen."""

    def __init__(self) -> None:
        self.seconds = 0.0

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

    `x`, `test`: the training and test rows as the inputs load them; `asked`: the folds, and `refit`, to train;
    `read_seconds`: that imports and the files took; `weigh`: are there predictions without views and averages too, to tell
    whether those paid?
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
    asked: tuple[int | str, ...]
    identity: str = ""
    timings: Timings = field(default_factory=Timings)
    pace: Pace = field(default_factory=Pace)
    read_seconds: float = 0.0
    weigh: bool = True


def prepare(run: Run, adapter: competitions.Adapter, config: Config, root: Path, session: Session) -> Work:
    """Read the files, load the inputs, deal the folds (or check those of the run), choose what is left to the kit."""
    trainer_options.options(config)  # what is wrong with these is said before anything is read
    trainer_options.checked(adapter.parts.callbacks)
    progress = Progress(quiet=session.quiet)
    tables, train, test, notes = load(run, adapter.competition, config, root, progress, session.budget)
    y = tables.encoded()
    dealt, doubled = deal(adapter.competition, tables, y, train.look, config)
    keep_folds(run, tables.train.index, dealt)
    keep_truth(run, tables, y)
    notes = [*tables.notes, *notes, *doubled]
    late = run.info.get("in_time", {}).get("notes", [])
    prior = tables.labels.prior(y).tolist()
    run.note(folds=dealt.numbers, labels=to_json(tables.labels), notes=notes + late, prior=prior)
    for note in notes if not session.beside else []:
        progress.say(note)
    work = Work(
        run=run, adapter=adapter, config=config, tables=tables, y=y, x=train.rows, test=test, folds=dealt, stop=session.stop,
        progress=progress, budget=session.budget, asked=asked(config, dealt, session.only),
    )  # fmt: skip
    progress.expect(config.epochs * sum(len(rows_of(work, name)[0]) for name in work.asked))
    return replace(settled(work), read_seconds=time.monotonic() - session.began)


def asked(config: Config, dealt: Folds, only: Sequence[int] | None) -> tuple[int | str, ...]:
    """The folds to train, and `refit` where a Config wants one. Raises Usage for a fold that there is not."""
    unknown = [k for k in only or [] if k not in dealt.numbers]
    if unknown:
        raise Usage(f"--only-fold {unknown[0]}: this run has the folds {', '.join(map(str, dealt.numbers))}.")
    chosen: list[int | str] = [k for k in dealt.numbers if only is None or k in only]
    return (*chosen, *(["refit"] if config.final != "folds" and only is None else []))


def settled(work: Work) -> Work:
    """The work with what the Config leaves to the kit: rate and batch, what a time budget allows; and the run's identity."""
    family = family_of(work.adapter, work.config)
    if any(getattr(work.config, name) == 0 and name in family.heeds for name in configs.AUTO):
        work = replace(work, config=tuned(work))
    if not family.one_step:
        config, weigh = in_time(work)
        work = replace(work, config=config, weigh=weigh)
    known = [work.config.json() | dict.fromkeys(configs.IMMATERIAL), work.run.info["data"], work.folds.fold.tolist()]
    return replace(work, identity=hashlib.sha256(json.dumps(known).encode()).hexdigest())


def load(
    run: Run, facts: competitions.Competition, config: Config, root: Path, progress: Progress, budget: Budget
) -> tuple[competitions.Tables, Loaded, Loaded, list[str]]:
    """The tables without training rows that cannot be used, the inputs of train and test, and what there is to say of them."""
    tables = facts.tables(root)
    if config.limit:
        tables = competitions.first(tables, config.limit)
    keep = Keep(config.cache_gb * 2**30, progress.say)
    train = facts.inputs.load(root, tables.train, "train", config.size, keep)
    test = facts.inputs.load(root, tables.test.loc[tables.sample.index], "test", config.size, keep)
    tables, notes = competitions.sound(tables, train.broken, test.broken)
    if tables.solution is not None and isinstance(train.look, np.ndarray) and isinstance(test.look, np.ndarray):
        notes += copied(train.look, test.look)
    if config.vectors and config.model == "ngrams" and isinstance(facts.inputs, Text):
        notes.append(give_vectors(run, facts.inputs, root, train.rows, test.rows, config, progress, budget))
    return tables, train, test, notes


def tuned(work: Work) -> Config:
    """The Config with numbers for `auto`, found once on the training rows of the first fold and kept in `run.json`."""
    chosen = work.run.info.get("chosen")
    if chosen is None:
        preset = work.adapter.preset(work.run.info["preset"], configs.by_hand(work.run.info["origins"]))
        config, said, curve = lr_finder.tuned(fold_of(work, 0, work.config), len(work.asked), preset)
        if curve is not None:
            canvas.write_svg(work.run.path / "lr.svg", figures.range_test(curve, config.lr))
            said[-1] += f" ({work.run.path / 'lr.svg'})"
        for line in said:
            work.progress.say(line)
        chosen = {"lr": config.lr, "batch": config.batch}
        work.run.note(chosen=chosen)
    return work.config.changed(**chosen)


def in_time(work: Work) -> tuple[Config, bool]:
    """The Config with as many views as a time budget has time for, and is there time to weigh them and the averages?

    Predictions may take PREDICTING of it; where one view takes longer, fewer folds answer the test. Found once, by an
    untrained module, and kept in `run.json`.
    """
    config, found = work.config, work.run.info.get("in_time")
    if found is None and config.time_budget:
        fold = fold_of(work, 0, config.changed(views=1))
        module = registry.make(fold.config, fold.labels, fold.x, steps=1, mirror=fold.mirror, parts=fold.parts)
        module.learn(fold.x, fold.train, fold.y)
        each, left = prediction.pace(module.eval(), fold.x, fold.config), work.budget.left
        rows, test, models = len(work.y), len(work.test.rows), len(set(members.answering(work.run)) & set(work.asked))
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
        fewer: dict[str, Any] = {"answering": enough, "notes": notes} if notes else {}
        found = {"views": views, "weigh": weigh, **fewer}
        work.run.note(in_time=found, notes=work.run.info["notes"] + notes)
    found = found or {"views": config.views, "weigh": True}
    return config.changed(views=found["views"]), found["weigh"]


def fold_of(work: Work, name: int | str, config: Config) -> Fold:
    """The fit of a fold, or of all rows (`refit`)."""
    (train, valid), number = rows_of(work, name), name if isinstance(name, int) else -1
    facts = work.adapter.competition
    return Fold(
        name=f"fold {name} of {work.config.folds}" if isinstance(name, int) else "refit",
        number=number,
        folder=work.run.fold(name),
        x=work.x,
        y=work.y,
        train=train,
        valid=valid,
        config=config,
        labels=work.tables.labels,
        metric=facts.metric,
        identity=work.identity,
        mirror=facts.inputs.mirror,
        source=initial_weights.source(work.config.from_run, work.run, number),
        parts=work.adapter.parts,
    )


def rows_of(work: Work, name: int | str) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the rows that a fold trains on and validates; all and none for the refit."""
    return work.folds.split(name) if isinstance(name, int) else (np.arange(len(work.y)), np.array([], int))


def give_vectors(
    run: Run, inputs: Text, root: Path, train: Texts, test: Texts, config: Config, progress: Progress, budget: Budget
) -> str:
    """Learn vectors from all texts there are, or read the run's own, and hand them to train and test; and say so.

    No answer is seen, so the rows that a fold validates may take part.
    """
    path, further = run.path / text_embeddings.FILE, inputs.further(root)
    try:
        found = text_embeddings.load(path)
    except BadData:  # not there, or broken: they come out as before
        every = ngrams.joined([texts.bags(config.ngrams) for texts in (train, test, further)])
        until = time.monotonic() + LEARNING * budget.left
        found = text_embeddings.learn(
            every, config.ngrams, config.vectors, config.seed, progress.say, until, len(train) + len(test)
        )
        found.save(path)
    train.vectors = test.vectors = found
    missing = inputs.unlabelled and not len(further)
    others = f"none unlabelled (there is no {inputs.unlabelled})" if missing else f"{len(further):,} unlabelled"
    if not len(found.columns):
        return "no vectors: there was no time to learn them, or no n-gram stands in enough texts"
    return f"vectors learned from texts alone: {len(train):,} of the training rows, {len(test):,} of the test, {others}"


def copied(train: np.ndarray, test: np.ndarray) -> list[str]:
    """A note where test pictures, whose answers are to be scored, are training pictures to the last bit."""
    count = int(np.isin(duplicates.digests(test), duplicates.digests(train)).sum())
    return [f"{count} test pictures are training pictures too: the held-out score flatters"] if count else []


def deal(
    facts: competitions.Competition, tables: competitions.Tables, y: np.ndarray, look: Any, config: Config
) -> tuple[Folds, list[str]]:
    """Folds by the competition's facts; duplicates count as one group. And what there is to say of it.

    `look`: the inputs, or small copies of them.
    """
    notes = []
    groups = folds.codes(tables.train[facts.group]) if facts.group else None
    strata = None if config.split == "plain" else tables.labels.strata(y)
    when = None
    if facts.time and config.split in ("auto", "time"):
        when = folds.times(tables.train, facts.time)
    elif config.split == "time":
        raise Usage(f"--split time: {facts.slug} has no time column.")
    same = facts.inputs.twins(look)
    doubled = len(same) - len(np.unique(same))
    if doubled and when is None:
        notes.append(f"{doubled} training rows repeat another one: each stays in the fold of its twin")
        groups = same if groups is None else folds.joined(groups, same)
    dealt = folds.make(tables.train.index, config.folds, config.seed, strata, groups, when)
    if when is not None and groups is not None and (parted := dealt.parted(groups)):
        notes.append(
            f"folds are by time: older rows of {parted} {facts.group!r} train what validates on newer ones of theirs; "
            "--split plain keeps each in one fold"
        )
    return dealt, notes


def keep_folds(run: Run, ids: pd.Index, dealt: Folds) -> None:
    """Write folds.csv, or check that the run's own says the same."""
    path = run.path / "folds.csv"
    frame = pd.DataFrame({"fold": dealt.fold}, index=pd.Index(ids, name="id"))
    if not path.exists():
        frames.write_csv(path, frame)
        return
    old = frames.read_folds(run.path)
    same = old.reindex(frame.index) == frame["fold"]
    if len(old) != len(frame) or not same.all():
        moved = frame.index[~same]
        raise Usage(
            f"{path}: the folds of this run differ from today's plan in {max(len(moved), abs(len(old) - len(frame)))}"
            f" rows (ids {listed(moved, 3)}). Use --name for a new run, or --fresh to start over."
        )


def keep_truth(run: Run, tables: competitions.Tables, y: np.ndarray) -> None:
    """Write truth.csv, the encoded answers by id: a run that was copied without its data can still be looked into."""
    flat = y.reshape(len(y), -1)
    columns = list(tables.labels.train_columns if y.ndim == 1 else tables.labels.columns)
    if len(columns) != flat.shape[1]:  # a text's codes are no prediction's columns
        columns = [f"code {i + 1}" for i in range(flat.shape[1])]
    frame = pd.DataFrame(flat, index=pd.Index(tables.train.index, name="id"), columns=columns)
    frames.write_csv(run.path / "truth.csv", frame)
