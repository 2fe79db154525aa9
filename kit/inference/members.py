"""Inference: predictions of a module or of a run's checkpoints, views in one forward pass."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import labels as all_labels
from kit.config import Config
from kit.data import text_embeddings
from kit.errors import Usage
from kit.inference import shared_pass
from kit.inference.loaded_run import LoadedRun
from kit.models.prediction import predict
from kit.storage.run_folder import Run, read_json
from kit.storage.runs.parts import SEAL, RunPart
from kit.training import checkpoints


def ensemble(whole: LoadedRun, models: list[Any], x: Any, ids: Any) -> Any:
    """The frame (index `ids`) of a run's models' predictions for inputs `x`, combined as the run says.

    Raises BadData as `equip` does.
    """
    equip(whole, x)
    config, columns = whole.config, list(models[0].labels.columns)
    parts = shared_pass.each([partial(_predict, model, config) for model in models], models[0], x, None, config)
    return combine(whole.run, [pd.DataFrame(values, index=ids, columns=columns) for values in parts])


def _predict(model: Any, config: Config, x: Any, rows: np.ndarray | None) -> np.ndarray:
    return predict(model, x, rows, config)


def equip(whole: LoadedRun, *those: Any) -> None:
    """Give inputs what the models of a run need besides, and models what their graph does: the run's vectors of n-grams.

    Raises BadData where their file is missing or broken.
    """
    if whole.has_vectors:
        vectors = text_embeddings.load(whole.run.path / text_embeddings.FILE, whole.run.record.vectors)
        for one in those:
            one.vectors = vectors


def answering(run: Run) -> list[RunPart]:
    """Whose models answer the test, by the run's `final`: the folds', the refits', or both.

    All of them, or as many as a time budget had time for, the refits before any fold.
    """
    record = run.record
    parts = [part for part in record.parts if part.fold is None or record.config["final"] != "refit"]
    most = (record.in_time or {}).get("answering", len(parts))
    chosen = sorted(parts, key=lambda part: part.fold is not None)[:most]
    return [part for part in parts if part in chosen]


def members(run: Run) -> list[Path]:
    """The folders whose models answer the test."""
    return [run.fold(part) for part in answering(run)]


def combine(run: Run, frames: list[Any]) -> Any:
    """One frame from the members' frames: folds weigh together as much as refits, where there are both.

    First over the folds (and the refit) of each repeat and seed, then over these: the mean of runs that had one each, to the
    last bit.
    """
    labels, parts, weights = all_labels.from_json(run.record.labels), answering(run), member_weights(run)
    rounds: dict[tuple[int, int], list[tuple[Any, float]]] = {}
    for part, frame, weight in zip(parts, frames, weights, strict=True):
        rounds.setdefault((part.repeat, part.seed), []).append((frame, weight))
    each = [labels.average([frame for frame, _ in one], [weight for _, weight in one]) for one in rounds.values()]
    share = [sum(weight for _, weight in one) for one in rounds.values()]
    return each[0] if len(each) == 1 else labels.average(each, None if len({*share}) == 1 else share)


def member_weights(run: Run) -> list[float]:
    """The weight of each member's prediction."""
    parts = answering(run)
    if run.record.config["final"] != "both":
        return [1.0] * len(parts)
    folds = {seed: sum(part.fold is not None for part in parts if part.seed == seed) for seed in {part.seed for part in parts}}
    return [1.0 if part.fold is None else 1.0 / folds[part.seed] for part in parts]


def load(run: Run, views: int | None = None) -> list[Any]:
    """The models of a finished run, checked; with another number of views if asked.

    Raises Usage where the run is not complete, BadData where a checkpoint is broken.
    """
    return [with_views(model, views) for model in load_members(run.finished())]


def load_members(run: Run) -> list[Any]:
    """The models of the folders whose models answer the test, checked. Raises Usage for a run that has none."""
    if run.record.study:
        raise Usage(f"{run.path}: made by kit.study, so it holds predictions and no models.")
    return [load_member(folder) for folder in members(run)]


def load_member(folder: Path) -> Any:
    """A fold's (or the refit's) model, checked."""
    return checkpoints.load_model(folder / "model.ckpt", read_json(folder / SEAL)["checksums"]["model.ckpt"])


def answering_models(whole: LoadedRun, views: int | None = None) -> list[Any]:
    """The models that answer a run's test, with its labels; raises as `load` does."""
    return [whole.bound(model) for model in load(whole.run, views)]


def model_of(whole: LoadedRun, folder: Path, views: int | None = None) -> Any:
    """A fold's (or the refit's) model, checked, with the run's labels."""
    return with_views(whole.bound(load_member(folder)), views)


def with_views(model: Any, views: int | None) -> Any:
    """The model, set to this number of views if it has any (None: as it was trained). Raises Usage for less than one."""
    if views is not None and views < 1:
        raise Usage(f"--views {views}: the value must be at least 1.")
    if views:
        model.set_views(views)
    return model
