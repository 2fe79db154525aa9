"""Parity: how near an exported model's answers to real test rows are to those of the run's own models."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kit.config import Config
from kit.console import say
from kit.inference import members
from kit.inference.loaded_run import LoadedRun
from kit.inputs.base import Keep
from kit.labels import ctc
from kit.labels.reading import vote
from kit.models import graphs, prediction
from kit.storage.run_folder import Run

ROWS = 64  # test rows that are compared
EACH = (1, 7)  # rows of the first two batches: a graph must not have learned one size


@dataclass(frozen=True)
class Rows:
    """The first test rows: ids, inputs as they are loaded, and the rows of each batch."""

    ids: list[str]
    x: Any
    batches: list[np.ndarray]


@dataclass(frozen=True)
class Parity:
    """`difference`: the largest, from the run's own models in fp32; `stored`: how near `test.csv` is, in words ("" where
    these rows are not in it); bf16 and views of long texts show there."""

    difference: float
    stored: str


def rows(whole: LoadedRun, config: Config) -> Rows:
    """Those of the run's data."""
    asked = whole.facts.test_tables(whole.root)
    ids = list(asked.sample.index[:ROWS])
    keep = Keep(config.cache_gb * 2**30, say)
    inputs = whole.facts.inputs
    x = inputs.load(whole.root, asked.test.loc[ids], inputs.test_split, config.size, keep).rows
    return Rows(ids, x, np.split(np.arange(len(x)), np.cumsum(EACH)[np.cumsum(EACH) < len(x)]))


def compare(run: Run, graph: graphs.Graph, models: list[Any], tried: Rows, config: Config, got: list[np.ndarray]) -> Parity:
    """Compare what the exported model gave for these rows, an array for each of the graph's outputs."""
    weights = members.member_weights(run)
    if isinstance(graph, graphs.Ballot):
        return _readings(run, models, tried, config, weights, got)
    unit = models[0].scale.numpy()
    answers = np.log1p(got[0].astype(np.float64)) if graph.log else got[0]
    difference = _largest((answers - _own(graph, models, tried.x, config, weights)) / unit)
    stored = _stored(run, tried.ids)
    return Parity(difference, "" if stored is None else f"{_largest((answers - stored) / unit):.1e}")


def _largest(gaps: np.ndarray) -> float:
    return float(np.abs(gaps).max()) if np.isfinite(gaps).all() else float("inf")


def _stored(run: Run, ids: list[str]) -> np.ndarray | None:
    """These rows of `test.csv`, if it has them."""
    test = run.test
    return test.loc[ids].to_numpy() if test.index.isin(ids).sum() == len(ids) else None


def _own(graph: graphs.Graph, models: list[Any], x: Any, config: Config, weights: list[float]) -> np.ndarray:
    """The run's own predictions in fp32; of long texts by the first view, the one that the graph reads."""
    parts = []
    for model in models:
        with model.one_view() if graph.one_view else contextlib.nullcontext():
            parts.append(prediction.predict(model, x, None, config))
    return np.average(parts, axis=0, weights=weights)


def _readings(run: Run, models: list[Any], tried: Rows, config: Config, weights: list[float], got: list[np.ndarray]) -> Parity:
    """Log-probabilities by the models' own; the texts and their confidence by the labels' reading of what the graph gave."""
    seen, codes, confidence = got
    own = [np.concatenate([_seen(model, tried.x, rows) for rows in tried.batches], axis=1) for model in models]
    parts = seen.reshape(len(models), -1, *seen.shape[1:])
    gaps = [_largest(part[:, :, : one.shape[2]] - one) for part, one in zip(parts, own, strict=True)]
    texts, sure = elected(parts, np.array(weights), codes.shape[1])
    gaps += [_largest(confidence - sure), 0.0 if np.array_equal(codes, texts) else float("inf")]
    stored = _stored(run, tried.ids)
    if stored is None:
        return Parity(max(gaps), "")
    same = (codes == stored[:, -codes.shape[1] :]).all(axis=1).sum()
    return Parity(max(gaps), f"the same text in {same} of {len(codes)} rows")


def _seen(model: Any, x: Any, rows: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return model.seen(model.gather(x, rows).x).numpy()


def elected(parts: np.ndarray, weights: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes [rows, longest] and confidence [rows] by the labels' own tools: what log-probabilities [folds, views, rows, steps,
    symbols] show, voted on by views, then by folds."""
    folds, views, rows, *_ = parts.shape
    flat = parts.reshape(-1, *parts.shape[-2:])
    codes = ctc.greedy(flat.argmax(axis=-1), longest)
    sure = ctc.probability(torch.from_numpy(flat), torch.from_numpy(codes)).numpy()
    ballots = np.concatenate([codes, sure[:, None]], axis=1).reshape(folds, views, rows, -1)
    by_fold = np.stack([vote(one, np.ones(views), longest) for one in ballots])
    won = vote(by_fold, weights, longest)
    return won[:, :longest].astype(np.int64), won[:, longest]
