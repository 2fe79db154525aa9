"""Rows of a run: tables read, inputs loaded, vectors of texts, folds dealt; what of it is kept in the run's folder."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions
from kit.config import Config
from kit.console import Progress
from kit.data import duplicates, folds, ngrams, text_embeddings
from kit.data.dealing import gaps, time_column
from kit.data.folds import Folds
from kit.errors import BadData, Usage, listed
from kit.inputs.base import Keep, Loaded
from kit.inputs.mixed.inputs import TextAndTable
from kit.inputs.mixed.rows import first_part
from kit.inputs.text import Text
from kit.models.images import picture_size
from kit.pipeline.dealing import extra_rows, folds_file
from kit.pipeline.presets.resolution import family_of
from kit.storage import frames
from kit.storage.run_folder import Run
from kit.training.deadline import Budget

LEARNING = 0.5  # of what is left of a time budget at most, for vectors of texts


def load(
    run: Run, adapter: competitions.Adapter, config: Config, root: Path, progress: Progress, budget: Budget
) -> tuple[competitions.Tables, Loaded, Loaded, list[str]]:
    """The tables without training rows that cannot be used, the inputs of train and test, and what there is to say of them."""
    facts = adapter.competition
    tables = facts.tables(root, config.limit, extra=config.extra_weight > 0)
    if config.limit:
        tables = competitions.first(tables, config.limit)
    config = config.changed(size=size_of(run, adapter, config, root, tables))
    keep = Keep(config.cache_gb * 2**30, progress.say)
    inputs = facts.inputs.changed(**run.record.inputs) if run.record.inputs else facts.inputs
    train, test = inputs.load_both(root, tables.rows, tables.test.loc[tables.sample.index], config.size, keep)
    if train.learned:
        run.note(inputs=(run.record.inputs or {}) | train.learned)
    if test.broken and config.kept_back:
        raise BadData(f"--kept-back {config.kept_back}: {next(iter(test.broken.values()))}. Leave that row out of the file.")
    tables, notes = competitions.sound(tables, train.broken, test.broken)
    notes += [*train.notes, *test.notes]
    if tables.solution is not None and isinstance(train.look, np.ndarray) and isinstance(test.look, np.ndarray):
        notes += copied(train.look[: len(tables.train)], test.look)
    if isinstance(facts.inputs, Text | TextAndTable) and family_of(adapter, config).learns_vectors(config):
        until = time.monotonic() + LEARNING * budget.left
        further = facts.inputs.further(root, facts.form)
        texts = [first_part(train.rows), first_part(test.rows), further]
        vectors = text_vectors(run, texts, config, progress=progress, until=until)
        train.rows.vectors = test.rows.vectors = vectors
        notes.append(about_vectors(vectors, train.rows, test.rows, further, facts.inputs))
    return tables, train, test, notes


def size_of(run: Run, adapter: competitions.Adapter, config: Config, root: Path, tables: competitions.Tables) -> int:
    """Pixels a side of the pictures, found once where `--size` leaves it to the kit, and kept in `run.json`."""
    inputs, taken = adapter.competition.inputs, run.record.chosen or {}
    if "size" in taken:
        return int(taken["size"])
    size = picture_size.chosen(config, inputs, root, tables.train, adapter.parts.models)
    if size != config.size:
        run.note(chosen=taken | {"size": size})
    return size


def text_vectors(run: Run, parts: list[Any], config: Config, *, progress: Progress, until: float) -> text_embeddings.Vectors:
    """Vectors learned from all texts there are (of train, test, unlabelled), by `until`; or the run's own, read again.

    No answer is seen, so the rows that a fold validates may take part. Raises BadData where the run's own were lost, and others
    come out.
    """
    path, known = run.path / text_embeddings.FILE, run.record.vectors
    with suppress(BadData):  # not there, broken, or another run's
        return text_embeddings.load(path, known)
    bags = ngrams.joined([texts.bags(config.ngrams) for texts in parts])
    size, order, seed = config.vectors, config.ngrams, config.seed
    count = len(parts[0]) + len(parts[1])
    learned = text_embeddings.learn(bags, order, size, seed, progress.say, until=until, of=count)
    if known not in (None, learned.fingerprint):
        raise BadData(
            f"{path}: the file was lost, and other vectors come out than the run's models have learned from (another machine"
            " made them, or a time budget had cut them short).\nPut the file back, or start again with --fresh."
        )
    learned.save(path)
    run.note(vectors=learned.fingerprint)
    return learned


def about_vectors(vectors: text_embeddings.Vectors, train: Any, test: Any, further: Any, inputs: Text | TextAndTable) -> str:
    """A note on the texts that vectors were learned from."""
    if not len(vectors.columns):
        return "no vectors: there was no time to learn them, or no n-gram stands in enough texts"
    missing = inputs.unlabelled and not len(further)
    others = f"none unlabelled (there is no {inputs.unlabelled})" if missing else f"{len(further):,} unlabelled"
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
    strata, groups, when, notes = dealt_by(facts, tables, y, look, config)
    if config.folds_from:
        return from_file(tables, config, when, groups)
    dealt, *further = (
        folds.make(tables.train.index, config.folds, config.seed + repeat, strata, groups, when)
        for repeat in range(config.repeats)
    )
    dealt = replace(dealt, further=tuple(further))
    if when is not None and groups is not None and (parted := dealt.parted(groups)):
        notes.append(
            f"folds are by time: older rows of {parted} {facts.group!r} train what validates on newer ones of theirs; "
            "--split plain keeps each in one fold"
        )
    return dealt, notes


def dealt_by(
    facts: competitions.Competition, tables: competitions.Tables, y: np.ndarray, look: Any, config: Config
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None, list[str]]:
    """Strata, groups and times of the training rows, as `folds.make` takes them, and what there is to say of them."""
    notes = []
    groups = folds.codes(tables.train[facts.group]) if facts.group else None
    strata = None if config.split == "plain" else tables.labels.dealt_by(y)
    when = times(facts, tables.train, config)
    same = facts.inputs.twins(look)
    doubled = len(same) - len(np.unique(same))
    if doubled and when is None:
        notes.append(f"{doubled} training rows repeat another one: each stays in the fold of its twin")
        groups = same if groups is None else duplicates.joined(groups, same)
    return strata, groups, when, notes


def from_file(
    tables: competitions.Tables, config: Config, when: np.ndarray | None, groups: np.ndarray | None
) -> tuple[Folds, list[str]]:
    """The folds that `--folds-from` names, and what there is to say of them."""
    by_time, others = config.split == "time", None if config.limit else pd.Index(tables.unused)
    dealt, *further = (
        folds_file.dealt(config.folds_from, tables.train.index, others, when, by_time=by_time, repeat=repeat)
        for repeat in range(config.repeats)
    )
    dealt = replace(dealt, further=tuple(further))
    notes = [f"the folds are those of {config.folds_from}"]
    if when is not None and not dealt.by_time:
        notes.append("they do not follow each other in time: each is validated by what all others taught")
    if groups is not None and not dealt.by_time and (parted := max(one.parted(groups) for one in dealt.repeats)):
        notes.append(f"{parted} groups, or rows with their repetitions, are in several of these folds: the score flatters")
    return dealt, notes


def times(facts: competitions.Competition, table: pd.DataFrame, config: Config) -> np.ndarray | None:
    """The times of a table's rows, where folds may be by time; else None. Raises Usage where they cannot be and are to be."""
    if facts.time and config.split in ("auto", "time"):
        return time_column.times(table, facts.time)
    if config.split == "time":
        raise Usage(f"--split time: {facts.slug} has no time column.")
    return None


def purged(dealt: Folds, facts: competitions.Competition, tables: competitions.Tables, config: Config) -> Folds:
    """The folds without what is too close before a validation block (`--gap`). Raises Usage where they are not by time."""
    if not gaps.parsed(config.gap)[0]:
        return dealt
    when = times(facts, tables.train, config) if dealt.by_time else None
    if when is None or facts.time is None:
        raise Usage(f"--gap {config.gap}: the folds are not by time, so that nothing lies before them. Leave it out.")
    return dealt.with_gap(when, gaps.ticks(config.gap, when, facts.time), config.gap)


def folds_of(
    run: Run,
    facts: competitions.Competition,
    tables: competitions.Tables,
    y: np.ndarray,
    loaded: tuple[Loaded, Loaded],
    config: Config,
) -> tuple[Folds, list[str]]:
    """The run's folds, and what there is to say of them: those of `folds.csv` where all that they depend on is as it was.

    Else they are dealt (to look for duplicates may take minutes) and kept. Raises Usage where `folds.csv` says otherwise.
    `y`: of all rows; `loaded`: these, and the test's.
    """
    known, ids, extra = run.record.dealt, tables.train.index, tables.extra
    if known is not None and known["key"] == _dealing(run, facts, tables, y, config):
        read = [frames.read_folds(run.path, repeat).reindex(ids).to_numpy() for repeat in range(config.repeats)]
        dealt, *further = (purged(Folds(fold, known["by_time"]), facts, tables, config) for fold in read)
        dealt = replace(dealt, further=tuple(further))
        return dealt if extra is None else extra_rows.kept(run, extra.index, dealt), known["notes"]
    dealt, notes = deal(facts, tables, y[: len(ids)], extra_rows.own_part(loaded[0].look, len(ids)), config)
    dealt = purged(dealt, facts, tables, config)
    if extra is not None:
        dealt, said = extra_rows.dealt(dealt, facts, tables, config, extra_rows.twins(facts, *loaded, len(ids)))
        notes += said
        extra_rows.keep(run, extra.index, dealt)
    keep_folds(run, ids, dealt)
    run.note(dealt={"key": _dealing(run, facts, tables, y, config), "by_time": dealt.by_time, "notes": notes})
    return dealt, notes


def _dealing(run: Run, facts: competitions.Competition, tables: competitions.Tables, y: np.ndarray, config: Config) -> str:
    """A checksum of `folds.csv` and of what it was dealt by: data, ids and answers, facts and knobs."""
    path = run.path / "folds.csv"
    knobs = [config.folds, config.seed, config.split, config.limit, config.size]
    knobs += [config.repeats] if config.repeats > 1 else []  # as older runs have it
    about = [run.record.data, facts.group, facts.time, type(facts.inputs).__name__, *knobs]
    if config.folds_from:
        about.append(hashlib.sha256(folds_file.path_of(config.folds_from).read_bytes()).hexdigest())
    if tables.extra is not None:
        about += [run.record.extra, extra_rows.checksum(run), config.gap]
    digest = hashlib.sha256(json.dumps(about).encode())
    for part in (json.dumps(list(tables.rows.index)).encode(), y.tobytes(), path.read_bytes() if path.exists() else b""):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def keep_folds(run: Run, ids: pd.Index, dealt: Folds) -> None:
    """Write folds.csv, or check that the run's own says the same; repeats that it does not have are added."""
    path = run.path / "folds.csv"
    named = {frames.fold_column(repeat): one.fold for repeat, one in enumerate(dealt.repeats)}
    frame = pd.DataFrame(named, index=pd.Index(ids, name="id"))
    if not path.exists():
        frames.write_csv(path, frame)
        return
    old = frames.read_by(run.path, "folds.csv")
    known = [name for name in frame if name in old]
    same = (old[known].reindex(frame.index) == frame[known].astype(str)).all(axis=1)
    if len(old) == len(frame) and same.all() and len(known) < len(named):
        frames.write_csv(path, frame)
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
