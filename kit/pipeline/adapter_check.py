"""Check: an adapter against its own facts, on fabricated rows in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kit import labels as all_labels
from kit.competition import Adapter, Tables, submission
from kit.competition.synthetic import fabricate
from kit.config import VIEW_KINDS, Config
from kit.data import augmentation, folds, tta
from kit.errors import KitError
from kit.inputs.base import kind_of
from kit.labels.evaluation import tracked
from kit.models import families, registry

ROWS = 8


@dataclass
class Bench:
    """What the checks look at: an adapter and what its fabricated folder reads as."""

    adapter: Adapter
    tables: Tables
    y: np.ndarray
    x: Any
    rng: np.random.Generator

    @property
    def certain(self) -> np.ndarray:
        """The predictions of one who knows the answers."""
        return self.tables.labels.certain(self.y)

    def text(self, predictions: np.ndarray) -> bytes:
        """A submission file for the test rows, from that many training rows' predictions."""
        sample, labels = self.tables.sample, self.tables.labels
        frame = pd.DataFrame(np.resize(predictions, (len(sample), predictions.shape[1])), index=sample.index)
        return sample.text(submission.build(sample, frame, labels)).encode()


def adapter(subject: Adapter) -> Iterator[tuple[str, str]]:
    """Run every check; yields its name and what is wrong (empty: nothing). No extra rows are made up."""
    subject = replace(subject, competition=replace(subject.competition, extra=""))
    with tempfile.TemporaryDirectory(prefix="kit-check-") as folder:
        root = Path(folder)
        try:
            fabricate(subject.competition, root, ROWS, ROWS)
            tables = subject.competition.tables(root)
            y = tables.encoded()
            x = subject.competition.inputs.load(root, tables.train, "train", 0).rows
        except KitError as fault:
            yield "a folder fabricated from the facts can be read", str(fault)
            return
        yield "a folder fabricated from the facts can be read", ""
        bench = Bench(subject, tables, y, x, np.random.default_rng(0))
        chosen = CHECKS | (PICTURES if kind_of(x) == "images" else {}) | (MODELS if subject.parts.models else {})
        for name, check in (chosen | (AUGMENTATIONS if subject.parts.augmentations else {})).items():
            try:
                yield name, "" if check(bench) else "it does not hold"
            except (KitError, ValueError, IndexError, KeyError, RuntimeError, TypeError) as fault:
                yield name, f"{type(fault).__name__}: {fault}"


def _decode_undoes_encode(b: Bench) -> bool:
    columns = list(b.tables.sample.columns)
    labels = b.tables.labels
    decoded = pd.DataFrame(labels.decode(b.certain, columns), index=b.tables.train.index).astype(str)
    again = labels.as_trained(decoded)
    return (labels.encode(b.tables.train.assign(**dict(again.items()))) == b.y).all()  # a text that is read stays as it is


def _labels_survive(b: Bench) -> bool:
    saved = all_labels.to_json(b.tables.labels)
    return all_labels.to_json(all_labels.from_json(saved, b.tables.labels)) == saved


def _groups(b: Bench, order: np.ndarray) -> np.ndarray | None:
    group = b.adapter.competition.group
    return folds.codes(b.tables.train[group].iloc[order]) if group else None


def _folds(b: Bench, order: np.ndarray) -> pd.Series:
    train = b.tables.train.iloc[order]
    dealt = folds.make(train.index, 2, 0, b.tables.labels.dealt_by(b.y[order]), _groups(b, order))
    return pd.Series(dealt.fold, index=train.index)


def _groups_stay_together(b: Bench) -> bool:
    groups = _groups(b, np.arange(ROWS))
    dealt = _folds(b, np.arange(ROWS))
    return groups is None or all(dealt[groups == g].nunique() == 1 for g in np.unique(groups))


def _same_folds_in_any_order(b: Bench) -> bool:
    return bool((_folds(b, np.arange(ROWS)).sort_index() == _folds(b, b.rng.permutation(ROWS)).sort_index()).all())


def _right_beats_wrong(b: Bench) -> bool:
    metric, labels = b.adapter.competition.metric, b.tables.labels
    wrong = np.roll(b.certain, 1, axis=0) if len(np.unique(b.certain, axis=0)) > 1 else 1 - b.certain
    return metric.better(metric(labels.truth(b.y), labels.harden(b.certain)), metric(labels.truth(b.y), labels.harden(wrong)))


def _loss_prefers_right(b: Bench) -> bool:
    labels = b.tables.labels
    shift, scale = labels.scaling(b.y)
    scaled = (b.y - shift) / scale if labels.continuous else b.y
    y, right = torch.from_numpy(scaled), torch.from_numpy(labels.right_logits(scaled))
    return bool(torch.isfinite(labels.criterion(right, y)) and labels.criterion(right, y) < labels.criterion(-right, y))


def _activation_in_range(b: Bench) -> bool:
    labels = b.tables.labels
    out = labels.activation(torch.randn(ROWS, len(labels.columns)) * 50)
    in_range = not labels.bounded or ((out >= 0) & (out <= 1)).all()
    return bool(torch.isfinite(out).all() and in_range)


def _tracked_metrics_work(b: Bench) -> bool:
    values = tracked(b.tables.labels, torch.from_numpy(b.certain), torch.from_numpy(b.y))
    return all(value == value for value in values.values())


def _faulty(b: Bench, change: Callable[[list[str]], list[str]]) -> bool:
    lines = b.text(b.certain).decode().splitlines()
    return bool(submission.faults(("\n".join(change(lines)) + "\n").encode(), b.tables.sample, b.tables.labels))


def _refuses_blanks(b: Bench) -> bool:
    sample = b.tables.sample
    blank = pd.DataFrame("", index=sample.index, columns=sample.columns, dtype=object)
    return bool(submission.faults(sample.text(blank).encode(), sample, b.tables.labels))


def _ids_are_distinct_text(b: Bench) -> bool:
    return b.tables.train.index.is_unique and all(isinstance(one, str) for one in b.tables.train.index)


def _scaling_learned_from_given_rows(b: Bench) -> bool:
    shift, scale = b.tables.labels.scaling(b.y)
    return len(shift) == len(scale) == len(b.tables.labels.columns) and bool((scale > 0).all())


def _views_keep_the_shape(b: Bench) -> bool:
    batch = torch.from_numpy(b.x).permute(0, 3, 1, 2)
    mirror = b.adapter.competition.inputs.mirror
    square = b.x.shape[1] == b.x.shape[2]
    kinds = [kind for kind in VIEW_KINDS if square or kind != "flips"]  # which also turn a picture on its side
    every = [view for kind in kinds for view in tta.available(b.x.shape[1], mirror, kind)]
    return all(view.do(batch).shape == batch.shape for view in every)


def _predicts(b: Bench, model: str) -> bool:
    """Does a module of this model predict the rows, once it has learned what it learns before the first step?"""
    preset = next(iter(b.adapter.presets.values()), Config())
    config = preset.changed(model=model, width=4, layout="contiguous", augment="none", crop="none", views=1, weights="")
    module = registry.make(config, b.tables.labels, b.x, steps=1, parts=b.adapter.parts).eval()
    module.learn(b.x, np.arange(ROWS), b.y)
    module.finish()
    with torch.inference_mode():
        out = module.predict_step(module.gather(b.x, np.arange(ROWS)))
    return out.shape == (ROWS, len(b.tables.labels.columns)) and bool(torch.isfinite(out).all())


def _module_predicts(b: Bench) -> bool:
    return _predicts(b, families.smallest(kind_of(b.x), b.tables.labels.reads))


def _own_models_predict(b: Bench) -> bool:
    return all(_predicts(b, model) for model in b.adapter.parts.models)


def _own_augmentations_keep_the_shape(b: Bench) -> bool:
    pictures = torch.from_numpy(b.x).permute(0, 3, 1, 2)
    for own in b.adapter.parts.augmentations.values():
        one_by_one = augmentation.is_compose(own)
        if not one_by_one and own(pictures).shape != pictures.shape:
            return False
        if one_by_one and own(image=np.ascontiguousarray(b.x[0]))["image"].shape[:2] != b.x.shape[1:3]:
            return False
    return True


CHECKS: dict[str, Callable[[Bench], bool]] = {
    "every preset is a Config": lambda b: all(isinstance(one, Config) for one in b.adapter.presets.values()),
    "training ids are distinct text": _ids_are_distinct_text,
    "the sample asks for the test's ids": lambda b: set(b.tables.sample.index) == set(b.tables.test.index),
    "answers encode to a number a row": lambda b: len(b.y) == ROWS and bool(np.isfinite(b.y).all()),
    "a prediction has a column an answer": lambda b: b.certain.shape == (ROWS, len(b.tables.labels.columns)),
    "decode undoes encode": _decode_undoes_encode,
    "labels survive being saved": _labels_survive,
    "the metric prefers right to wrong": _right_beats_wrong,
    "the loss prefers right to wrong": _loss_prefers_right,
    "predictions stay in range": _activation_in_range,
    "training metrics are numbers": _tracked_metrics_work,
    "target scaling is positive": _scaling_learned_from_given_rows,
    "the prior is a finite prediction": lambda b: bool(np.isfinite(b.tables.labels.prior(b.y)).all()),
    "strata are whole numbers": lambda b: b.tables.labels.strata(b.y).dtype.kind == "i",
    "every row is in one fold": lambda b: sorted(np.unique(_folds(b, np.arange(ROWS)))) == [0, 1],
    "groups stay together": _groups_stay_together,
    "the folds do not depend on the order of rows": _same_folds_in_any_order,
    "inputs have a row an id": lambda b: len(b.x) == ROWS,
    "the module predicts these rows": _module_predicts,
    "a right submission passes": lambda b: not submission.faults(b.text(b.certain), b.tables.sample, b.tables.labels),
    "a missing row is refused": lambda b: _faulty(b, lambda lines: lines[:-1]),
    "a doubled row is refused": lambda b: _faulty(b, lambda lines: [*lines, lines[-1]]),
    "a wrong header is refused": lambda b: _faulty(b, lambda lines: ["x" + lines[0], *lines[1:]]),
    "a blank answer is refused": _refuses_blanks,
}  # fmt: skip
PICTURES: dict[str, Callable[[Bench], bool]] = {
    "pictures are uint8": lambda b: b.x.dtype == np.uint8 and b.x.ndim == 4 and len(b.x) == ROWS,
    "pictures have the channels declared": lambda b: b.x.shape[-1] == b.adapter.competition.inputs.channels,
    "views keep the shape": _views_keep_the_shape,
}  # fmt: skip
MODELS: dict[str, Callable[[Bench], bool]] = {"the adapter's own networks and modules predict these rows": _own_models_predict}
AUGMENTATIONS: dict[str, Callable[[Bench], bool]] = {
    "the adapter's own augmentations keep the pictures' shape": _own_augmentations_keep_the_shape,
}
