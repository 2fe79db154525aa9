"""Blend: several runs as one, by weights chosen on their out-of-fold predictions; the best of them where that does not pay."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import config as configs
from kit.competition import submission
from kit.console import say
from kit.errors import Usage, listed
from kit.inference import blend_weights, seed_groups
from kit.inference.blending import stacking, table_columns
from kit.inference.blending.judge import Judge, the_judge
from kit.inference.blending.member import Member, by, of_files, of_run, scaled
from kit.inference.blending.stack import Stack
from kit.inference.blending.stacking import Columns
from kit.inference.loaded_run import load_run
from kit.labels import DECISION, to_json
from kit.metrics import defined
from kit.storage import files, frames, predictions, run_lifecycle
from kit.storage.run_folder import Run, write_json
from kit.storage.run_record import STACK, BlendGain
from kit.storage.runs import blend_members

MODEL = "blend"  # in the place of `--model`, so that no other run is taken for a blend or the other way round
WAYS = ("weights", STACK)  # how runs are combined: `--by`
LEAKS = ("split", "limit")  # knobs by which one run may have learned from rows that another one predicts


def blend(
    sources: Sequence[Run],
    outside: Sequence[tuple[Path, Path]] = (),
    name: str = MODEL,
    out: str | Path | None = None,
    data: str | Path | None = None,
    fresh: bool = False,
    quiet: bool = False,
    way: str = WAYS[0],
    columns: str = "",
) -> Run:
    """A new run from the predictions of complete ones, and of pairs of CSV files (`outside`: out-of-fold, test).

    `way`: by weights, or by a stack where that is better; `columns`: of the table, `age,size`, at which a stack looks too.
    Raises Usage where the runs are not of one competition, data and rows, BadData for a file that does not fit.
    """
    if way not in WAYS or (columns and way != STACK):
        raise Usage(f"--by {way}: one of {', '.join(WAYS)} is expected." if way not in WAYS else "--columns needs --by stack.")
    if not sources or len(sources) + len(outside) < 2:
        raise Usage("two runs at least are blended, or one and a pair of files (--oof FILE --test FILE).")
    first, notes = sources[0], together(sources)
    record, whole = first.record, load_run(first, data)
    if files.fingerprint(whole.root, whole.facts.files(whole.root)) != record.data:
        raise Usage(f"{whole.root}: not the data of {first.path}. Name its folder with --data.")
    target = Run(Path(out) if out else Path("runs") / record.name / name)
    if target.path.resolve() in {one.path.resolve() for one in sources}:
        raise Usage(f"{target.path}: is one of the runs to be blended. Use another --name.")
    stacked = way == STACK
    members = [of_run(one, first) for one in sources] + [of_files(*pair, whole, first, stacked) for pair in outside]
    model = f"{STACK} with {columns}" if columns else STACK if stacked else MODEL
    config = configs.Config.of(record.config).changed(model=model).json()
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
            judge = the_judge(whole, members[0].oof.index)
            own = _columns(judge, columns) if stacked else None
            _finish(target, first, judge, members, groups=groups, notes=notes, columns=own)
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


def refuse_others(target: Run, members: list[Member]) -> None:
    """Raise Usage where the folder holds a blend of other predictions."""
    old = target.record.members if target.exists else None
    if old is not None and [one["sums"] for one in old] != [list(one.sums) for one in members]:
        names = listed(one["name"] for one in old)
        raise Usage(f"{target.path} blends other predictions ({names}).\nUse --name for a new run, or --fresh to start over.")


def _columns(judge: Judge, text: str) -> tuple[str, ...]:
    """The columns at which a stack is to look. Raises Usage where there can be no stack, or no such column."""
    stacking.refuse_unsuited(judge.labels, len(np.unique(judge.fold)))
    return table_columns.named(text, judge.tables.train, judge.tables.test, judge.labels.train_columns)


@dataclass(frozen=True)
class Combined:
    """Out-of-fold and test predictions, the members' weights, and what `run.json` says of how they came about."""

    oof: pd.DataFrame
    test: pd.DataFrame
    weights: np.ndarray
    about: BlendGain


def _combine(judge: Judge, members: list[Member], groups: list[list[int]], columns: tuple[str, ...] | None) -> Combined:
    """The members as they are best combined, by weights or, where `columns` is not None and it pays, by a stack."""
    sign, kind = 1 if judge.facts.metric.higher_is_better else -1, by(judge.facts)
    parts = np.stack([scaled(one, one.oof, kind) for one in members])
    joined = seed_groups.means(parts, groups)

    def score(rows: np.ndarray, values: np.ndarray) -> float:
        return sign * judge(rows, values)

    chosen = blend_weights.choose(joined, score, judge.fold)
    weights, best = seed_groups.shared(chosen.weights, groups, len(members)), groups[chosen.best]
    oof, test = members[best[0]].oof, members[best[0]].test
    kept = chosen.kept or len(best) > 1
    if kept:
        oof = _frame(oof, chosen.nested)
        test = _frame(test, combined(members, [one.test for one in members], weights, kind))
    about: BlendGain = {"kept": kept, "by": kind, "gain": defined(chosen.gain), "noise": defined(chosen.noise)}
    if not chosen.kept and len(best) > 1:
        about |= {"seeds": len(best)}
    if columns is None:
        return Combined(oof, test, weights, about)
    plain = seed_groups.means(np.stack([one.oof.to_numpy(np.float64) for one in members]), groups)
    cells = table_columns.read(columns, judge.tables.train.loc[oof.index])
    rivals = chosen.nested, joined[chosen.best]
    found = stacking.choose(judge.labels, judge.y, plain, judge.fold, score=score, rivals=rivals, groups=groups, columns=cells)
    about |= {"stack": found.json()}
    if found.kept:
        values = stacked(found.stack, [one.test for one in members], judge.tables.test.loc[test.index])
        oof, test, weights = _frame(oof, found.nested), _frame(test, values), found.stack.of_members(len(members))
        about |= {"kept": True, "by": STACK}
        about.pop("seeds", None)
    return Combined(oof, test, weights, about)


def _finish(
    target: Run,
    first: Run,
    judge: Judge,
    members: list[Member],
    groups: list[list[int]],
    notes: list[str],
    columns: tuple[str, ...] | None,
) -> None:
    """Combine the members and write every file of the run, the submission last. `groups`: members of one configuration."""
    began = time.monotonic()
    made = _combine(judge, members, groups, columns)
    oof, test, weights, about = made.oof, made.test, made.weights, made.about
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
    seconds = {"total": time.monotonic() - began, "train": 0.0, "predict": 0.0}
    scores = judge.scores(learned.predictions if learned else oof.to_numpy(np.float32), test, labels)
    scores |= {"decision": learned.json()} if learned else {}
    write_json(target.path / "scores.json", {**scores, "seconds": seconds, "blend": about})
    inherited = {key: getattr(first.record, key) for key in ("prior", "device", "precision", "layout", "spellings")}
    inherited |= {"labels": to_json(labels), "decision": learned and learned.record()}
    numbers = [int(k) for k in np.unique(judge.fold)]
    target.note(**inherited, folds=numbers, members=each, blend=about, notes=notes)
    answer = submission.build(judge.tables.sample, test, labels)
    run_lifecycle.complete(target, submission.checked(judge.tables.sample, answer, labels))


def combined(members: Sequence[Member | Run], parts: Sequence[pd.DataFrame], share: np.ndarray, kind: str) -> np.ndarray:
    """The blend [n, c] of the members' predictions for the same rows."""
    every = zip(members, parts, share, strict=True)
    return np.sum([weight * scaled(one, part, kind) for one, part, weight in every if weight > 0], axis=0)


def stacked(stack: Stack, parts: Sequence[pd.DataFrame], table: pd.DataFrame | None) -> np.ndarray:
    """The stack [n, c] of the members' predictions for the same rows, whose `table` is needed where it looks at columns."""
    plain = seed_groups.means(np.stack([one.to_numpy(np.float64) for one in parts]), stack.groups)
    cells = Columns.none(len(parts[0])) if table is None else table_columns.read(stack.columns, table)
    return stack.predict(plain, cells.values)


def _frame(like: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values.astype(np.float32), index=like.index, columns=like.columns)


def predicted(
    source: Run, predict: Callable[[Run], pd.DataFrame], table: Callable[[Run, pd.Index], pd.DataFrame]
) -> pd.DataFrame:
    """A blend's predictions for other rows, from what `predict` says of the runs in it.

    `table`: of these rows, as a run (the first) reads it; called where a stack looks at its columns.
    """
    made_of, about = blend_members.runs(source), source.record.blend
    assert about is not None
    parts = [predict(one) for one in made_of]
    if not about["kept"]:
        return parts[0]
    if about["by"] == STACK:
        stack = Stack.from_json(about["stack"])
        rows = table(made_of[0], parts[0].index) if stack.columns else None
        return _frame(parts[0], stacked(stack, parts, rows))
    share = np.array([one["weight"] for one in blend_members.counting(source.record)])
    return _frame(parts[0], combined(made_of, parts, share, about["by"]))
