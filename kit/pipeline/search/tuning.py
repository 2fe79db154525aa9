"""Tuning: values of some knobs, tried on one fold; a fold that chose nothing tells whether the best beats the preset."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import config as configs
from kit.errors import DiskError, KitError, Pruned, Stopped, Usage
from kit.inference.blend_weights import Gain, gained
from kit.metrics import defined
from kit.models import prediction
from kit.pipeline import parallel
from kit.pipeline.plan import Plan
from kit.pipeline.preparation import fold_of, trained_rows
from kit.pipeline.presets.resolution import family_of
from kit.pipeline.run import working
from kit.pipeline.search import sampling, search_space
from kit.pipeline.search.sampling import Sampler
from kit.pipeline.search.search_space import Range
from kit.pipeline.search.trials import TABLE, Trial, Tuned, write_table
from kit.pipeline.task import Task
from kit.storage import files, run_lifecycle
from kit.storage.run_folder import Run, read_json, write_json
from kit.storage.runs.parts import RunPart
from kit.training import checkpoints
from kit.training.callbacks.history import Watch
from kit.training.deadline import Budget
from kit.training.fit import fit

if TYPE_CHECKING:
    from kit.pipeline.preparation import Work

LOOKS = 4  # times that a trial is scored, the end included, so that it may be pruned
AGAINST = "against-{}.npy"  # what a fit predicts on the fold that chose nothing, where this trial is weighed
NO_GAIN = {"gain": None, "noise": None}  # as a file holds one that is not defined


def tune(plan: Plan, trials: int, tuned: str, target: Run, fresh: bool, quiet: bool) -> Tuned:
    """Try the plan's Config and `trials` - 1 draws, then weigh the best. The same call goes on where it stopped.

    `tuned`: the knobs to tune, see `kit.pipeline.search.search_space.parsed`; "" for the usual ones. `target`: where. A time
    budget is of the whole tuning; trials train to their end. Raises Usage for what cannot be tuned, and where the folder
    holds a run, or a tuning of other ranges.
    """
    began = time.monotonic()
    if trials < 2:
        raise Usage(f"--trials {trials}: two at least are wanted; the first is the preset itself.")
    budget = Budget(plan.config.time_budget, began)
    plan = replace(plan, config=plan.config.changed(time_budget=0.0, seeds=1, repeats=1))  # a trial is one fit
    if 0 in (plan.config.lr, plan.config.batch):
        raise Usage("--lr auto and --batch auto are found before a run: give a number to tune around.")
    family = family_of(plan.adapter, plan.config)
    tried = search_space.parsed(tuned, plan.config, family) if tuned else search_space.usual(plan.config, family)
    known = plan.known | {"ranges": [str(one) for one in tried]}
    with target.locked():
        run_lifecycle.refuse_other(target, known, fresh)
        run_lifecycle.start(target, known, plan.origins, plan.preset, plan.root)
        with working(target, plan, [], quiet, Budget(0.0, began)) as work:
            work.progress.say(f"{trials} trials of {', '.join(map(str, tried))}")
            if not sampling.available():
                work.progress.say(sampling.MISSING)
            found = search(work, tried, trials, budget)
            gain = weigh(work, found[0]) if found[0].number else None
            target.note(status="tuned")
    return Tuned(target, plan.adapter.competition.metric.name, found, gain)


def search(work: Work, tried: list[Range], count: int, budget: Budget) -> list[Trial]:
    """The trials that there is time for, the best first; the preset is always one. `trials.csv` follows them.

    Raises Usage where the preset has no score: then no other trial has one.
    """
    metric, found = work.adapter.competition.metric, list[Trial]()
    fold, sampler = scorable(work)[0], sampler_of(work, tried)
    work.progress.expect(count * rows_trained(work, fold, {}))
    if work.cluster is None and parallel.places(work.config) > 1:
        work.progress.say(f"{parallel.places(work.config)} trials at a time, each in a process of its own")
    beside = made_elsewhere(work, tasks(work, tried, sampler, count, fold, budget))
    for number in range(count):
        missing = beside and not _result(work, number).exists()
        if missing or not time_for(work, number, found, budget):
            work.progress.say(f"--time-budget: {number} of {count} trials")
            break
        found.append(attempt(work, number, fold, *asked(work, sampler, number, found)))
        if found[0].score is None:
            raise Usage(f"kit tune: {metric.name} is not defined on the validation rows of fold {fold}: no trial is better.")
        tell(work, tried, found)
    return ranked(work, found)


def tasks(work: Work, tried: list[Range], sampler: Sampler, count: int, fold: int, budget: Budget) -> Iterator[Task]:
    """The trials that are missing, one after another, as long as there is time; `trials.csv` follows those that are there."""
    for number in range(count):
        if not _result(work, number).exists():
            found = [attempt(work, one, fold, {}, {}) for one in range(count) if _result(work, one).exists()]
            if found:
                tell(work, tried, found)
            if not time_for(work, number, found, budget) or any(one.score is None for one in found if not one.number):
                return
            knobs, bars = asked(work, sampler, number, found)
            yield Task(
                f"trial {number}", attempt, (number, fold, knobs, bars), _result(work, number).parent,
                result=_result(work, number).name, rows=rows_trained(work, fold, knobs),
                forgo=partial(forgo, work, number, knobs) if number else None,
            )  # fmt: skip


def made_elsewhere(work: Work, fits: Iterable[Task]) -> bool:
    """Have fits made by the cluster, or by several processes at a time; False where this process is to make them."""
    if work.cluster is not None:
        work.cluster.carry_out(work, fits)
    elif (count := parallel.places(work.config)) > 1:
        parallel.side_by_side(work, fits, count)
    else:
        return False
    return True


def rows_trained(work: Work, fold: int, knobs: dict[str, Any]) -> int:
    """The rows that all epochs of a fit with these knobs train."""
    return work.config.changed(**knobs).epochs * trained_rows(work, RunPart(fold))


def forgo(work: Work, number: int, knobs: dict[str, Any], why: str) -> None:
    """Note that a trial has failed which no machine could bring to its end."""
    work.progress.say(f"trial {number} failed: {why}")
    path = _result(work, number)
    checkpoints.drop_snapshots(path.parent)
    write_json(path, {"knobs": knobs, "score": None, "seconds": 0.0, "epochs": {}, "pruned": None})


def sampler_of(work: Work, tried: list[Range]) -> Sampler:
    """What asks for the trials of these ranges."""
    preset = {one.name: getattr(work.config, one.name) for one in tried}
    return Sampler(tried, preset, work.config.seed, work.adapter.competition.metric.higher_is_better)


def asked(work: Work, sampler: Sampler, number: int, found: list[Trial]) -> tuple[dict[str, Any], dict[int, float]]:
    """A trial's knobs and the medians that prune it, kept before it begins: what was begun goes on with the same."""
    path = _result(work, number).with_name("asked.json")
    if not path.exists():
        ended, over = [one.ended for one in found], {one.number for one in found}
        begun = [_result(work, one).with_name("asked.json") for one in range(1, number) if one not in over]
        under_way = [read_json(one)["knobs"] for one in begun if one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"knobs": sampler.ask(number, ended, under_way), "bars": sampling.bars(ended) if number else {}})
    known = read_json(path)
    return known["knobs"], {int(epoch): bar for epoch, bar in known["bars"].items()}


def time_for(work: Work, number: int, found: list[Trial], budget: Budget) -> bool:
    """Is there time for this trial, and for two fits to weigh the best one? It takes none where it is there already."""
    longest = max((one.seconds for one in found), default=0.0)
    return not found or budget.left >= 3 * longest or _result(work, number).exists()


def ranked(work: Work, found: list[Trial]) -> list[Trial]:
    """The best first."""
    sign = -1 if work.adapter.competition.metric.higher_is_better else 1
    return sorted(found, key=lambda one: (one.score is None, sign * (one.score or 0.0), one.number))


def tell(work: Work, tried: list[Range], found: list[Trial]) -> None:
    """Write `trials.csv`."""
    write_table(work.run.path / TABLE, ranked(work, found), [one.name for one in tried], work.config)


def scorable(work: Work) -> list[int]:
    """The folds that can tell which trial is better; all of them where none seems to."""
    folds = [number for number in work.folds.numbers if fold_of(work, RunPart(number), work.config).scorable]
    return folds or work.folds.numbers


def attempt(work: Work, number: int, fold: int, knobs: dict[str, Any], bars: dict[int, float]) -> Trial:
    """One fit and its score on the fold; what is there already is read. Raises what the preset's fit raises.

    A score that is not defined counts as none.
    """
    path = _result(work, number)
    if not path.exists():
        began, epochs, pruned = time.monotonic(), dict[int, float](), None
        name, metric = f"trial {number}", work.adapter.competition.metric
        epochs_of = work.config.changed(**knobs).epochs  # after the last nothing is saved

        def watch(history: list[dict[str, Any]]) -> None:
            for row in history:
                score, epoch = row.get(f"val_{metric.name}", math.nan), row["epoch"]
                if math.isfinite(score):
                    epochs[epoch] = score
                    if epoch in bars and epoch < epochs_of and metric.better(bars[epoch], score):
                        raise Pruned(f"{name}: pruned after epoch {epoch}, worse than the median of the trials before")

        try:
            score = defined(predicted(work, path.parent, fold, knobs, name, watch)[0])
        except Pruned as fault:
            work.progress.say(str(fault))
            score, pruned = None, max(epochs)
            checkpoints.drop_snapshots(path.parent)
        except KitError as fault:
            if not number or isinstance(fault, Stopped | DiskError):
                raise
            work.progress.say(f"trial {number} failed: {fault}", lines=True)
            score = None
        write_json(
            path, {"knobs": knobs, "score": score, "seconds": time.monotonic() - began, "epochs": epochs, "pruned": pruned}
        )
    known = read_json(path)
    scores = {int(epoch): score for epoch, score in known.get("epochs", {}).items()}
    return Trial(number, known["knobs"], known["score"], known["seconds"], scores, known.get("pruned"))


def _result(work: Work, number: int) -> Path:
    """Where a trial's score is, once it has one."""
    return work.run.path / f"trial{number:03d}" / "trial.json"


def validates(work: Work, config: configs.Config) -> bool:
    """May a trial be scored in mid-training? Only where its model trains in epochs, and where that changes no result."""
    plain = not config.val_every and not config.early_stop and config.checkpoint != "best"
    return plain and config.epochs >= LOOKS and "val_every" in family_of(work.adapter, config).heeds


def predicted(
    work: Work, folder: Path, number: int, knobs: dict[str, Any], name: str, watch: Watch | None = None
) -> tuple[float, np.ndarray]:
    """The score of a fit with these knobs on a fold's validation rows, and its predictions of them."""
    config = work.config.changed(**knobs)
    if watch is not None and validates(work, config):
        config = config.changed(val_every=config.epochs // LOOKS)
    whose = hashlib.sha256(f"{work.identity} {json.dumps(knobs)}".encode()).hexdigest()
    fold = replace(fold_of(work, RunPart(number), config), name=name, folder=folder, identity=whose)
    fitted = fit(fold, work.stop, work.progress, timings=work.timings, watch=watch)
    fitted.logs.close()
    module, best = fitted.module, fitted.state.best
    if best is not None:
        module.load_state_dict(best["module"])
    answers = prediction.predict(module, fold.x, fold.valid, config)
    checkpoints.drop_snapshots(folder)
    return fold.score(answers), answers


def weigh(work: Work, best: Trial) -> Gain | None:
    """How much better the best trial's knobs are than the preset's on a second fold; None where none tells."""
    folds = scorable(work)
    if len(folds) < 2:
        return None
    folder = work.run.path / "trial-weighed"
    kept = folder / "gain.json"
    known = read_json(kept) if kept.exists() else {}
    if known.get("trial") != best.number:
        fold = folds[1]
        labels, metric = work.tables.labels, work.adapter.competition.metric
        truth = labels.truth(work.y[work.folds.split(fold)[1]])
        both = {side: (side, best.number, fold, knobs) for side, knobs in (("best", best.knobs), ("preset", {}))}
        fits = [
            Task(
                f"fold {fold}, {side}", weighed, about, folder / side, result=AGAINST.format(best.number),
                rows=rows_trained(work, fold, about[3]),
            )
            for side, about in both.items()
        ]  # fmt: skip
        made_elsewhere(work, (one for one in fits if not one.finished))
        sides = [labels.harden(weighed(work, *about)) for about in both.values()]
        sign = 1 if metric.higher_is_better else -1
        gain = gained(sides[0], sides[1], lambda rows, answers: sign * metric(truth[rows], answers))
        known = {"trial": best.number, **({"gain": gain.gain, "noise": gain.noise} if gain.defined else NO_GAIN)}
        write_json(kept, known)
        for about in both.values():
            shutil.rmtree(folder / about[0])
    return None if known["gain"] is None else Gain(known["gain"], known["noise"])


def weighed(work: Work, side: str, trial: int, fold: int, knobs: dict[str, Any]) -> np.ndarray:
    """What a fit with these knobs predicts for a fold's validation rows, kept beside the trials until the gain is known."""
    folder = work.run.path / "trial-weighed" / side
    path = folder / AGAINST.format(trial)
    if not path.exists():
        answers = predicted(work, folder, fold, knobs, f"fold {fold}, {side}")[1]
        files.write(path, lambda file: np.save(file, answers))
    return np.load(path)
