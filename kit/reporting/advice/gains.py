"""Gains: advice on views, averaged weights, decisions and blends that did or did not improve the score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kit.labels.decision import TITLES
from kit.reporting.advice.rule import CLEAR, Advice
from kit.reporting.report.findings import Findings
from kit.storage.run_folder import Run

SAME = 0.9  # correlation of two members' errors: their average has at most a twentieth less squared error


def views(found: Findings) -> Advice | None:
    """Did test-time augmentation improve nothing?"""
    one = found.scores.get("paid", {}).get("views")
    count = found.run.record.settings.get("views", 1)
    if one is None or one["paid"] or count < 2:
        return None
    shows = f"{count} views change the score by {one['gain']:+.5f} ± {one['noise']:.5f}, which is no sure gain."
    do = f"--views 1 predicts {count} times as fast."
    return Advice("views", shows, do, ("views", "view_kind"), "folds-and-scores.md#ablations")


def averages(found: Findings) -> Advice | None:
    """Did averaging weights do harm?"""
    one = found.scores.get("paid", {}).get("averages")
    if one is None or not one["gain"] < -CLEAR * one["noise"]:
        return None
    shows = f"Averaged weights change the score by {one['gain']:+.5f} ± {one['noise']:.5f}: they do harm."
    do = "Try --ema 0, or more --epochs: the average lags behind a short training."
    return Advice("averaged weights", shows, do, ("ema", "epochs"), "folds-and-scores.md#ablations")


def decision(found: Findings) -> Advice | None:
    """Did a learned decision improve the score? Then whatever is compared with this run needs one too."""
    one = found.scores.get("decision")
    if one is None or not one["kept"] or one["gain"] is None or one["noise"] is None:
        return None
    shows = f"The learned {TITLES[one['kind']]} improve the score by {one['gain']:+.5f} ± {one['noise']:.5f} and are kept."
    do = "Compare this run only with runs that decide too (--decide auto, the default)"
    balance = one["kind"] == "weights"
    do += ", and try --balance: rare classes are answered too seldom." if balance else "."
    page = "training-options.md#rare-classes" if balance else "tuning-and-blending.md#decisions"
    return Advice("decision", shows, do, ("decide", "balance") if balance else ("decide",), page)


def alike(found: Findings) -> Advice | None:
    """Do two members of a blend make the same errors?"""
    members = found.run.record.members or []
    paths = [Path(one["name"]) for one in members if one["weight"] > 0]
    runs = [run for path in paths if (path / "oof.csv").exists() and _fits(run := Run(path), found)]
    if found.y is None or len(runs) < 2:
        return None
    truth = found.labels.certain(found.y)
    errors = [(run.oof.loc[found.oof.index].to_numpy() - truth).ravel() for run in runs]
    whole = np.isfinite(errors[0])
    alike = np.corrcoef(np.array(errors)[:, whole]) - np.eye(len(runs))
    first, second = np.unravel_index(alike.argmax(), alike.shape)
    if not alike[first, second] > SAME:
        return None
    names = f"{runs[first].path.name} and {runs[second].path.name}"
    shows = f"The errors of {names} correlate by {alike[first, second]:.3f}: averaging takes little off them."
    do = "Blend runs of another kind of --model, --size or --augment, which err elsewhere."
    return Advice("members alike", shows, do, ("model", "size", "augment"), "tuning-and-blending.md#blending")


def _fits(run: Run, found: Findings) -> bool:
    """Does a member predict the same columns of all these rows?"""
    oof = run.oof
    return list(oof.columns) == list(found.oof.columns) and bool(found.oof.index.isin(oof.index).all())
