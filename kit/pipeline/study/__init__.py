"""Study: a competition read, checked and dealt into folds, for a training loop of one's own; and the run made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from kit import config as configs
from kit.console import say
from kit.errors import Usage
from kit.metrics import defined, shown
from kit.models import devices, registry, threads
from kit.models.lightning.module import FoldModule, fitted_by_trainer
from kit.pipeline import crossval, scoring
from kit.pipeline.plan import Plan, planned
from kit.pipeline.preparation import Session, Work, fold_of, prepare
from kit.pipeline.presets.resolution import family_of
from kit.pipeline.study.checks import Predictions, checked_predictions, refuse_unbounded
from kit.storage import ledger, run_lifecycle, run_locks, templates
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.storage.templates import Table
from kit.training.datamodule import FoldData
from kit.training.deadline import Budget
from kit.training.signals import Stop

MODEL = "study"  # in the place of `--model`: no other run is taken for a study, or the other way round
DEALT = (
    "folds",
    "limit",
    "seed",
    "gap",
    "folds_from",
    "kept_back",
    "extra_weight",
    "pseudo",
    "pseudo_rows",
    "pseudo_weight",
    "pseudo_share",
)  # knobs that the rows of a study's folds depend on


class StudyFold:
    """One fold of a study: its rows, and a place for what your model predicts for them."""

    def __init__(self, work: Work, number: int):
        self.work, self.number = work, number
        self.fit = fold_of(work, RunPart(number), work.config)
        self.data = FoldData(self.fit, work.test.rows)
        self.began = time.monotonic()

    @property
    def train_ids(self) -> pd.Index:
        """The ids of the rows to train on; those of extra rows come last, and behind them those of test rows (`pseudo`)."""
        ids, pseudo = self.work.tables.rows.index, self.work.pseudo
        return (ids if pseudo is None else ids.append(pseudo.ids))[self.fit.train]

    @property
    def validation_ids(self) -> pd.Index:
        """The ids of the rows to validate on, in the order of `data.val_dataloader()`."""
        return self.work.tables.train.index[self.fit.valid]

    @property
    def test_ids(self) -> pd.Index:
        """The ids of the test rows, in the order of `data.predict_dataloader()`."""
        return self.work.tables.sample.index

    @property
    def saved(self) -> bool:
        """Are there sound predictions of this fold already?"""
        return crossval.finished(self.fit.folder) is not None

    def module(self, **knobs: Any) -> FoldModule:
        """The kit's own module for this fold, ready for any Trainer: `fold.module(model="resnet18", lr=1e-3)`.

        What is learned before the first step (normalisation, vocabulary, scale of targets) is learned from the training rows.
        Its schedule has as many steps as the Trainer says. Raises Usage for unknown knobs, and for those of the folds.
        """
        config = self.fit.config.changed(**knobs)
        late = [name for name in DEALT if getattr(config, name) != getattr(self.fit.config, name)]
        if late:
            raise Usage(f"fold.module: {', '.join(late)} cannot be changed for one fold. State them in kit.study(…).")
        family = family_of(self.work.adapter, config)
        if family.one_step or family.probing:
            which = "strategy='probe'" if family.probing else f"model={config.model!r}"
            raise Usage(f"fold.module({which}): its fit is one step of the kit's own; use kit.run.")
        fit = replace(self.fit, config=devices.choose(config, family))
        kind = fitted_by_trainer(registry.module_class(fit.config, fit.labels, fit.x, fit.parts))
        module = kind.of(fit.config, fit.labels, fit.x, steps=0, mirror=fit.mirror, parts=fit.parts)
        fit.teach(module)
        module.score_by(fit.metric)
        return module

    def save(self, validation: Predictions, test: Predictions) -> float:
        """Keep the predictions of this fold's model; returns their score on the validation rows.

        Each is [rows, columns] in the rows' order (an array, a tensor, what `trainer.predict` returns), or a frame by id:
        probabilities, or values in the targets' own units, a column for each of `study.columns`. Raises Usage for another
        shape or scale, for missing or unknown ids, and after `finish`; BadData for NaN. Nothing is written then. The score is
        NaN where the metric is not defined for these rows.
        """
        _refuse_finished(self.work.run)
        labels, folder = self.work.tables.labels, self.fit.folder
        where = f"fold {self.number}"
        columns = list(labels.columns)
        parts = {"validation": (validation, self.validation_ids), "test": (test, self.test_ids)}
        checked = {name: checked_predictions(*part, columns, f"{where}, {name}") for name, part in parts.items()}
        for name, values in checked.items() if labels.bounded else ():
            refuse_unbounded(values, f"{where}, {name}", labels.exclusive)
        crossval.write_predictions(self.work, folder, "oof", checked["validation"], self.validation_ids)
        crossval.write_predictions(self.work, folder, "test", checked["test"], self.test_ids)
        score = self.fit.score(checked["validation"])
        seconds = {"train": time.monotonic() - self.began, "predict": 0.0}
        crossval.seal(folder, {"rows": len(self.fit.train), "epochs": "", "score": defined(score), "seconds": seconds})
        return score


class Study:
    """A competition's rows, dealt into folds; trains nothing. See `kit.study`."""

    def __init__(self, plan: Plan, target: Run, *, resume: bool, quiet: bool):
        self.plan, self.run = plan, target
        threads.keep_to_quota()  # the loop of its owner too, wherever it takes the folds from
        config = devices.choose(plan.config.changed(final="folds"), family_of(plan.adapter, plan.config))
        known: Mapping[str, Any] = plan.known | {"config": plan.config.json() | {"model": MODEL, "final": "folds"}}
        with target.locked():
            run_lifecycle.refuse_other(target, known, fresh=not resume)
            run_lifecycle.start(target, known, plan.origins, plan.preset, plan.root)
            target.note(**devices.note(config), study=True)
            session = Session(stop=Stop(), budget=Budget(0.0, 0.0), began=time.monotonic(), quiet=quiet)
            self.work = prepare(target, plan.adapter, config, plan.root, session)
        self.work.progress.close()
        self.folds = [StudyFold(self.work, number) for number in self.work.folds.numbers]

    @property
    def columns(self) -> list[str]:
        """The columns of a prediction: a probability of each class, or a value for each name."""
        return list(self.work.tables.labels.columns)

    @property
    def notes(self) -> list[str]:
        """What reading and dealing found: rows without an answer, duplicates, columns that are not used."""
        return list(self.run.record.notes)

    def __len__(self) -> int:
        return len(self.folds)

    def _repr_html_(self) -> str:
        name, metric = self.plan.adapter.name, self.work.adapter.competition.metric.name
        rows = [
            [str(one.number), *(f"{len(ids):,}" for ids in (one.train_ids, one.validation_ids)), _score(one)]
            for one in self.folds
        ]
        table = Table(["fold", "training rows", "validation rows", metric], rows)
        return templates.card(f"{name} · study", [_size(self), *self.notes], [table])

    def __iter__(self) -> Iterator[StudyFold]:
        for fold in self.folds:
            fold.began = time.monotonic()
            yield fold

    def finish(self, name: str = "") -> Run:
        """A complete run of the folds' predictions: scores, `oof.csv`, `test.csv`, the checked submission.

        `name`: of the run, which is then moved to `runs/COMPETITION/NAME`, or beside the study's `out`; the study is over then.
        Raises Usage where a fold was not saved, where another run has this name, and the second time.
        """
        _refuse_finished(self.run)
        missing = ", ".join(str(fold.number) for fold in self.folds if not fold.saved)
        if missing:
            raise Usage(
                f"{self.run.path}: no predictions of fold {missing}. Call fold.save(validation=…, test=…) for each fold."
            )
        with self.run.locked():
            scoring.finish(self.work)
        made = self._renamed(name) if name else self.run
        ledger.add_run(made)
        return made

    def _renamed(self, name: str) -> Run:
        target = type(self.run)(self.run.path.parent / name)
        if target.path.exists() and (target.exists or any(target.path.iterdir())):
            same = target.exists and target.record.study and target.record.config == self.run.record.config
            if not same:
                raise Usage(f"{target.path} holds another run. Give finish() another name.")
            run_lifecycle.clear(target)
        target.path.mkdir(parents=True, exist_ok=True)
        for path in [*self.run.path.iterdir()]:
            if path.name != run_locks.FOLDER:
                path.rename(target.path / path.name)
        return target


def study(
    name: str,
    data: str | Path | None,
    preset: str,
    out: str | Path | None,
    kind: Callable[[Path], Run],
    resume: bool,
    quiet: bool,
    knobs: Mapping[str, Any],
) -> Study:
    """See `kit.study`. `kind`: makes the run of its folder that `finish` returns."""
    plan = planned(name, data, preset, knobs, begun="")  # it trains nothing itself
    more = [name for name in configs.GROWING if getattr(plan.config, name) > 1]
    if more:
        raise Usage(f"kit.study({more[0]}=…): your own loop trains each fold once, and may average several models itself.")
    made = Study(plan, kind(plan.folder("study", out)), resume=resume, quiet=quiet)
    if not quiet:
        say(f"{made.run.path}  from {plan.root}: {_size(made)}")
    return made


def _size(study: Study) -> str:
    tables = study.work.tables
    return f"{len(tables.train):,} training rows in {len(study)} folds, {len(tables.sample):,} test rows"


def _score(fold: StudyFold) -> str:
    """A saved fold's score, for people."""
    stats = crossval.finished(fold.fit.folder)
    return shown(stats["score"]) if stats else "not saved"


def _refuse_finished(run: Run) -> None:
    """Raise Usage where `finish` has moved the study's files to another name."""
    if not run.exists:
        raise Usage(
            f"{run.path}: this study is finished, and its run was moved to the name given to finish(). Begin a new study."
        )
