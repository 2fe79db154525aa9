"""Blend: several runs as one, by weights chosen on their out-of-fold predictions; the best of them where that does not pay."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions, config as configs
from kit.competition import submission
from kit.console import say
from kit.errors import BadData, Usage, listed, quoted
from kit.inference import blend_weights, seed_groups
from kit.inference.decisions import learning
from kit.inference.loaded_run import LoadedRun, load_run
from kit.labels import DECISION, Labels, to_json
from kit.labels.parsing import LARGEST
from kit.metrics import defined, over_folds
from kit.storage import files, frames, predictions, run_lifecycle
from kit.storage.run_folder import Run, write_json
from kit.storage.run_record import BlendGain

MODEL = "blend"  # in the place of `--model`, so that no other run is taken for a blend or the other way round
SLACK = 1e-3  # by which a probability from elsewhere may miss 0 and 1
LEAKS = ("split", "limit")  # knobs by which one run may have learned from rows that another one predicts


@dataclass(frozen=True)
class Member:
    """One that is blended: predictions by id of the training rows and of the test, and what they are known by."""

    name: str
    oof: pd.DataFrame
    test: pd.DataFrame
    sums: tuple[str, str]


def blend(
    sources: Sequence[Run],
    outside: Sequence[tuple[Path, Path]] = (),
    name: str = MODEL,
    out: str | Path | None = None,
    data: str | Path | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> Run:
    """A new run from the predictions of complete ones, and of pairs of CSV files (`outside`: out-of-fold, test).

    Raises Usage where the runs are not of one competition, data and rows, BadData for a file that does not fit.
    """
    if not sources or len(sources) + len(outside) < 2:
        raise Usage("two runs at least are blended, or one and a pair of files (--oof FILE --test FILE).")
    first, notes = sources[0], together(sources)
    record, whole = first.record, load_run(first, data)
    if files.fingerprint(whole.root, whole.facts.files(whole.root)) != record.data:
        raise Usage(f"{whole.root}: not the data of {first.path}. Name its folder with --data.")
    target = Run(Path(out) if out else Path("runs") / record.name / name)
    if target.path.resolve() in {one.path.resolve() for one in sources}:
        raise Usage(f"{target.path}: is one of the runs to be blended. Use another --name.")
    members = [of_run(one, first) for one in sources] + [of_files(*pair, whole, first) for pair in outside]
    config = configs.Config.of(record.config).changed(model=MODEL).json()
    known = {"competition": record.competition, "config": config, "data": record.data, "backbone": ""}
    with target.locked():
        run_lifecycle.refuse_other(target, known, fresh)
        refuse_others(target, members)
        if target.complete:
            if not quiet:
                say(f"{target.path} is complete; nothing to do (--fresh starts over)")
            return target
        run_lifecycle.start(target, known, {}, MODEL, whole.root)
        try:
            alike = [] if whole.labels.reads else sources  # readings are voted on, which no weights can do
            groups = seed_groups.of(alike, len(members))
            lines = seed_groups.notes(groups, [one.name for one in members])
            for line in lines if not quiet else []:
                say(line)
            notes += lines
            _finish(target, first, the_judge(whole, members[0].oof.index), members, groups, notes)
        except BaseException as fault:
            run_lifecycle.note_end(target, "failed", str(fault))
            raise
    return target


def together(sources: Sequence[Run]) -> list[str]:
    """Notes on runs that may be blended. Raises Usage, with the difference, where they may not."""
    first, notes = sources[0], []
    first_dealt = frames.read_folds(first.path)
    for one in sources:
        one.finished()
        same = first.record.competition == one.record.competition
        pairs = [(key, getattr(first.record, key), getattr(one.record, key)) for key in ("competition", "data")]
        pairs += [(key, first.record.config.get(key), one.record.config.get(key)) for key in LEAKS]
        lines = [f"{key}: {mine} → {other}" for key, mine, other in pairs if mine != other]
        if same and undecided(first) != undecided(one):
            lines.append(f"answers: {listed(first.oof.columns)} → {listed(one.oof.columns)}")
        ours, theirs = (set(run.oof.index) for run in (first, one))
        if ours != theirs and not lines:
            lines = [f"training rows: {len(ours):,} → {len(theirs):,}, such as {listed(sorted(ours ^ theirs), 3)}"]
        if lines:
            raise Usage(f"{first.path} and {one.path} cannot be blended ({'; '.join(lines)}).")
        if not frames.read_folds(one.path).loc[first_dealt.index].equals(first_dealt):
            dealt = {key: (first.record.config[key], one.record.config[key]) for key in ("seed", "folds")}
            if all(mine == other for mine, other in dealt.values()):
                raise Usage(f"{first.path} and {one.path} cannot be blended: the folds differ, with the same seed and number.")
            said = ", ".join(f"{key}: {mine} → {other}" for key, (mine, other) in dealt.items() if mine != other)
            notes.append(f"{one.path} has other folds ({said}); weights are tried out on those of {first.path}")
    return notes


def undecided(run: Run) -> dict[str, Any]:
    """A run's labels as `run.json` holds them, without what it learned of how to decide: a blend learns that anew."""
    return {name: value for name, value in run.record.labels.items() if name != DECISION}


def of_run(run: Run, like: Run) -> Member:
    """A run as a member, its rows in the order of another's."""
    oof, test = run.oof.loc[like.oof.index], run.test.loc[like.test.index]
    return Member(str(run.path), oof, test, (_sum(run.path / "oof.csv"), _sum(run.path / "test.csv")))


def _sum(path: Path) -> str:
    return files.checksum(path)[:16]


def of_files(oof: Path, test: Path, whole: LoadedRun, like: Run) -> Member:
    """Predictions from elsewhere: an id and a column per answer, for the rows of a run. Raises BadData naming what differs."""
    read = [outside_frame(path, wanted, whole.labels) for path, wanted in ((oof, like.oof), (test, like.test))]
    if by(whole.facts) == "mean" and whole.labels.bounded:
        for path, values in zip((oof, test), read, strict=True):
            refuse_other_scale(path, values)
    return Member(str(oof), read[0], read[1], (_sum(oof), _sum(test)))


def outside_frame(path: Path, like: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """A CSV of predictions with the ids and columns of `like`; numbers that are learned as logarithms may be plain ones."""
    if not path.is_file():
        raise BadData(f"{path}: no such file.")
    table = frames.read_csv(path.read_bytes(), str(path))
    table = frames.index_by(table, str(table.columns[0]), str(path))
    plain = dict(zip(labels.train_columns, labels.columns, strict=False)) if labels.log else {}
    if len(table.columns) == 1 == len(like.columns) and table.columns[0] not in plain:
        table.columns = like.columns
    odd = sorted(set(table.index) ^ set(like.index))
    if odd:
        raise BadData(f"{path}: {len(odd)} ids differ from those of the run, such as {listed(odd, 3)}.")
    values = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    wrong = ~(np.abs(values.to_numpy()) <= LARGEST)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        cell = quoted(table.iat[row, column])
        raise BadData(f"{path}, id {table.index[row]!r}: {cell} is not a finite number up to {LARGEST:g}.")
    for name in [name for name in values.columns if name in plain]:
        values[plain[name]] = np.log1p(values.pop(name))
    frames.need_columns(values, [str(name) for name in like.columns], str(path))
    return values.loc[like.index, list(like.columns)].astype(np.float32)


def refuse_other_scale(path: Path, values: pd.DataFrame) -> None:
    """Raise BadData for what is no probability: beside probabilities, logits would have a weight of their own."""
    wrong = (values.to_numpy() < -SLACK) | (values.to_numpy() > 1 + SLACK)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f"{path}, id {values.index[row]!r}, column {values.columns[column]!r}"
        raise BadData(f"{where}: {values.iat[row, column]:g} is no probability (from 0 to 1; {wrong.sum():,} such cells).")


def by(facts: competitions.Competition) -> str:
    """How predictions are averaged: by rank where the metric heeds the order alone, else as they are."""
    return "rank" if facts.metric.name == "auc" else "mean"


def refuse_others(target: Run, members: list[Member]) -> None:
    """Raise Usage where the folder holds a blend of other predictions."""
    old = target.record.members if target.exists else None
    if old is not None and [one["sums"] for one in old] != [list(one.sums) for one in members]:
        names = listed(one["name"] for one in old)
        raise Usage(f"{target.path} blends other predictions ({names}).\nUse --name for a new run, or --fresh to start over.")


@dataclass(frozen=True)
class Judge:
    """What members are judged by: the answers `y` of the rows [n] that all of them predict, and the folds of these."""

    facts: competitions.Competition
    tables: competitions.Tables
    labels: Labels
    y: np.ndarray
    fold: np.ndarray

    def __call__(self, rows: np.ndarray, predictions: np.ndarray) -> float:
        """The competition's metric on these rows' predictions."""
        truth = self.labels.truth(self.y[rows])
        return self.facts.metric(truth, self.labels.harden(predictions.astype(np.float32)))

    def learned(self, oof: pd.DataFrame) -> learning.Learned | None:
        """What these rows teach of how predictions become answers."""
        return learning.learn(self.labels, self.facts.metric, self.y, oof.to_numpy(np.float32), self.fold)

    def scores(self, values: np.ndarray, test: pd.DataFrame, labels: Labels) -> dict[str, Any]:
        """What `scores.json` holds, but for the seconds; of out-of-fold predictions [n, c], decided where a decision is kept,
        and of the test's, which `labels` decide."""
        each = [np.flatnonzero(self.fold == k) for k in np.unique(self.fold)]
        folds = over_folds([self(rows, values[rows]) for rows in each])
        held_out = self.tables.held_out(labels, self.facts.metric, test)
        extra = {} if held_out is None else {"held_out": defined(held_out)}
        return {
            "metric": self.facts.metric.name,
            "higher_is_better": self.facts.metric.higher_is_better,
            "oof": defined(self(np.arange(len(values)), values)),
            **folds,
            "extra": extra,
            "rows": {"train": len(values), "test": len(test), "broken_test": 0},
        }


def _finish(target: Run, first: Run, judge: Judge, members: list[Member], groups: list[list[int]], notes: list[str]) -> None:
    """Choose the weights and write every file of the run, the submission last. `groups`: members of one configuration."""
    began = time.monotonic()
    sign = 1 if judge.facts.metric.higher_is_better else -1
    kind = by(judge.facts)
    parts = np.stack([scaled(one, one.oof, kind) for one in members])
    joined = seed_groups.means(parts, groups)
    chosen = blend_weights.choose(joined, lambda rows, predictions: sign * judge(rows, predictions), judge.fold)
    weights, best = seed_groups.shared(chosen.weights, groups, len(members)), groups[chosen.best]
    kept = chosen.kept or len(best) > 1
    oof, test = members[best[0]].oof, members[best[0]].test
    if kept:
        oof = _frame(oof, chosen.nested)
        test = _frame(test, combined(members, [one.test for one in members], weights, kind))
    for name in ("folds.csv", "truth.csv"):
        files.write(target.path / name, (first.path / name).read_bytes())
    predictions.write_csv(target.path / "oof.csv", oof)
    predictions.write_csv(target.path / "test.csv", test)
    every = np.arange(len(oof))
    each = [
        {"name": one.name, "score": defined(judge(every, one.oof.to_numpy())), "weight": float(weight), "sums": list(one.sums)}
        for one, weight in zip(members, weights, strict=True)
    ]
    learned = judge.learned(oof) if configs.Config.of(first.record.config).decide != "none" else None
    labels = judge.labels.changed(decision=learned and learned.decision)
    about: BlendGain = {"kept": kept, "by": kind, "gain": defined(chosen.gain), "noise": defined(chosen.noise)}
    if not chosen.kept and len(best) > 1:
        about |= {"seeds": len(best)}
    seconds = {"total": time.monotonic() - began, "train": 0.0, "predict": 0.0}
    scores = judge.scores(learned.predictions if learned else oof.to_numpy(np.float32), test, labels)
    scores |= {"decision": learned.json()} if learned else {}
    write_json(target.path / "scores.json", {**scores, "seconds": seconds, "blend": about})
    inherited = {key: getattr(first.record, key) for key in ("prior", "device", "precision", "layout")}
    inherited |= {"labels": to_json(labels), "decision": learned and learned.record()}
    numbers = [int(k) for k in np.unique(judge.fold)]
    target.note(**inherited, folds=numbers, members=each, blend=about, notes=notes)
    answer = submission.build(judge.tables.sample, test, labels)
    run_lifecycle.complete(target, submission.checked(judge.tables.sample, answer, labels))


def the_judge(whole: LoadedRun, ids: pd.Index) -> Judge:
    """The answers and folds of these rows."""
    tables, labels = whole.facts.tables(whole.root), whole.labels.undecided
    fold = frames.read_folds(whole.run.path).loc[ids].to_numpy()
    return Judge(whole.facts, tables, labels, labels.encode(tables.train.loc[ids]), fold)


def scaled(member: Member, values: pd.DataFrame, kind: str) -> np.ndarray:
    """A member's predictions [n, c] as they are averaged: as they are, or by rank among its out-of-fold ones."""
    plain = values.to_numpy(np.float64)
    return blend_weights.ranked(member.oof.to_numpy(np.float64), plain) if kind == "rank" else plain


def combined(members: Sequence[Member], parts: Sequence[pd.DataFrame], share: np.ndarray, kind: str) -> np.ndarray:
    """The blend [n, c] of the members' predictions for the same rows."""
    every = zip(members, parts, share, strict=True)
    return np.sum([weight * scaled(one, part, kind) for one, part, weight in every if weight > 0], axis=0)


def _frame(like: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values.astype(np.float32), index=like.index, columns=like.columns)


def predicted(source: Run, predict: Callable[[Run], pd.DataFrame]) -> pd.DataFrame:
    """A blend's predictions for other rows, from what `predict` says of the runs in it."""
    record = source.record
    assert record.members is not None and record.blend is not None
    used = [one for one in record.members if one["weight"] > 0]
    strange = [one["name"] for one in used if not (Path(one["name"]) / "run.json").exists()]
    if strange:
        raise Usage(f"{source.path}: blends {listed(strange)}, which is no run here and cannot predict other rows.")
    made_of = [Run(Path(one["name"])) for one in used]
    parts = [predict(one) for one in made_of]
    if not record.blend["kept"]:
        return parts[0]
    members = [of_run(one, made_of[0]) for one in made_of]
    return _frame(parts[0], combined(members, parts, np.array([one["weight"] for one in used]), record.blend["by"]))
