"""Pipeline: the verbs `run`, `predict` and `validate`, each from names to files. Nothing heavy before it is needed."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import competition as competitions, config as configs, files, frames, ledger, runs
from kit.budget import Budget
from kit.errors import BadData, KitError, Stopped, Usage
from kit.progress import say
from kit.runs import Run

if TYPE_CHECKING:
    import pandas as pd

    from kit.crossval import Work


def run(
    name: str,
    data: str | Path | None,
    preset: str,
    run_name: str | None,
    out: str | Path | None,
    only_fold: list[int] | None,
    fresh: bool,
    quiet: bool,
    knobs: Mapping[str, Any],
) -> Run:
    """See `kit.run`. A complete run of the same configuration and data is returned as it is."""
    from kit import loggers
    from kit.backbones import fingerprint

    adapter = competitions.load(name)
    given = configs.given(knobs)
    config, origins = configs.resolve(adapter.preset(preset, given), preset, knobs)
    if adapter.preset(preset, given).model == "ngrams" != config.model and "transformer" in adapter.presets:
        preset = "transformer"  # a fit of n-grams and a fine-tuning have no value in common
        config, origins = configs.resolve(adapter.preset(preset), preset, knobs)
    loggers.names(config)  # one that is missing is said before anything is read
    changed = {key: getattr(config, key) for key, origin in origins.items() if origin == "flag" or origin.startswith("KIT_")}
    path = Path(out) if out else Path("runs") / adapter.name / (run_name or runs.default_name(preset, changed))
    target = Run(path)
    root = adapter.competition.find(data)
    adapter = adapter.shaped(config, root)
    known = {
        "competition": adapter.source,
        "config": config.json(),
        "data": files.fingerprint(root, adapter.competition.files(root)),
        "backbone": fingerprint(config.from_run),
    }
    with target.locked():
        if fresh:
            clear(target)
        refuse_other(target, known)
        if target.complete:
            if not quiet:
                say(f"{path} is complete; nothing to do (--fresh starts over)")
            return target
        start(target, known, origins, preset, root)
        if not quiet:
            announce(target, config, origins, root)
        execute(target, adapter, config, root, only_fold, quiet)
    return target


EXTRAS = (  # files that only some kinds of runs have
    "words.csv",
    "report.html",
    "vectors.npz",
    "lr.svg",
    "numbers.png",
    "readings.csv",
    "readings.png",
)  # files that only some kinds of runs have


def clear(target: Run) -> None:
    """Remove a run's files (nothing else that may lie in the folder, and nothing where it is no run)."""
    if not target.info:
        return
    for one in ("run.json", "folds.csv", "truth.csv", "oof.csv", "test.csv", "scores.json", "submission.csv", *EXTRAS):
        (target.path / one).unlink(missing_ok=True)
    for folder in [*target.path.glob("fold*"), target.path / "refit"]:
        if folder.is_dir():
            shutil.rmtree(folder)


def refuse_other(target: Run, known: Mapping[str, Any]) -> None:
    """Raise Usage, with the difference, where the folder holds a run of another configuration or other data."""
    info = target.info
    if not info:
        return
    lines = [f"{key}: {info[key]} → {known[key]}" for key in ("competition", "data", "backbone") if info[key] != known[key]]
    lines += configs.difference(info["config"], known["config"])
    if lines:
        raise Usage(
            f"{target.path} holds another run ({'; '.join(lines)}).\nUse --name for a new run, or --fresh to start over."
        )


def start(target: Run, known: Mapping[str, Any], origins: Mapping[str, str], preset: str, root: Path) -> None:
    """Note in `run.json` that this process works on the run now."""
    sessions = [*target.info.get("sessions", []), runs.environment()]
    target.submission.unlink(missing_ok=True)
    about = {"preset": preset, "origins": dict(origins), "root": str(root.resolve()), "sessions": sessions}
    target.note(status="running", reason="", **known, **about)


def announce(target: Run, config: configs.Config, origins: Mapping[str, str], root: Path) -> None:
    """The resolved configuration on stderr, by where each value came from."""
    say(f"{target.path}  from {root}")
    for origin in sorted(set(origins.values()), key=lambda one: (one == "default", one)):
        say(f"  {origin}: " + " ".join(f"{key}={getattr(config, key)}" for key in origins if origins[key] == origin))


def execute(
    target: Run, adapter: competitions.Adapter, config: configs.Config, root: Path, only_fold: list[int] | None, quiet: bool
) -> None:
    """Train what is missing and, once every fold is there, score and write the submission; note how it ended."""
    from kit.stopping import stoppable

    try:
        with stoppable() as stop:
            began = time.monotonic()
            budget = Budget(config.time_budget)
            from kit import crossval, devices  # seconds of imports: only when there is something to do

            resolved = devices.choose(config, adapter.competition.inputs.kind)
            target.note(**crossval.device_note(resolved))
            work = crossval.prepare(target, adapter, resolved, root, stop, quiet, only_fold, budget)
            read_seconds = time.monotonic() - began
            try:
                train(work, only_fold)
            finally:
                work.progress.close()
                if work.timings.seconds:
                    say(work.timings.table())
            if all(crossval.finished(target.fold(k)) for k in wanted(work)):
                crossval.finish(work, read_seconds)
                ledger.add_run(target)
            else:
                target.note(status="stopped")
    except BaseException as fault:
        note_end(target, "stopped" if isinstance(fault, Stopped | KeyboardInterrupt) else "failed", str(fault))
        raise


def train(work: Work, only_fold: list[int] | None) -> None:
    """Every fold that is asked for, then the refit."""
    from kit import crossval

    for k in work.folds.numbers:
        if only_fold is None or k in only_fold:
            crossval.train_fold(work, k)
    if only_fold is None and work.config.final != "folds":
        crossval.train_fold(work, "refit")


def wanted(work: Work) -> list[int | str]:
    """The parts that a complete run has."""
    return [*work.folds.numbers, *(["refit"] if work.config.final != "folds" else [])]


def note_end(target: Run, status: str, reason: str) -> None:
    """Note how a run ended; a disk that is full must not hide the first error."""
    with contextlib.suppress(KitError):
        target.note(status=status, reason=reason)


def predict(
    source: Run, data: str | Path | None, views: int | None, out: str | Path | None, time_budget: float | None = None
) -> tuple[pd.DataFrame, Path]:
    """See `kit.predict`."""
    from kit import labels as all_labels, submission

    labels = all_labels.from_json(source.info["labels"])
    folder = Path(out) if out else source.path / "predict"
    answers, sample = answered(source, data, views, folder, time_budget)
    frames.write_csv(folder / "test.csv", answers)
    submission.write(folder / "submission.csv", sample, submission.build(sample, answers, labels), labels)
    return answers, folder / "submission.csv"


def answered(
    source: Run, data: str | Path | None, views: int | None, folder: Path | None = None, time_budget: float | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions for the test set in `data`, and its sample submission; of a blend, from the runs that it was made of.

    What was read of pictures, and how surely, is written to `folder`.
    """
    import numpy as np

    from kit import allowance, blend, devices, inference, labels as all_labels, readings
    from kit.inputs.base import Keep

    began = time.monotonic()
    info = source.info
    if "members" in info:
        samples = []

        def one(run: Run) -> pd.DataFrame:
            answers, sample = answered(run, data, views)
            samples.append(sample)
            return answers

        return blend.predicted(source, one), samples[0]
    adapter = competitions.load(info["competition"])
    models = inference.load(source, views) if time_budget is None else []
    where_it_was = info["root"] if Path(info["root"]).exists() else None  # the run may have been copied elsewhere
    root = adapter.competition.find(data or where_it_was)
    facts = adapter.shaped(configs.Config(**info["config"]), root).competition
    labels = all_labels.from_json(info["labels"], facts.labels)
    models = [inference.with_labels(model, labels) for model in models]
    asked = facts.test_tables(root)
    test, sample = asked.test, asked.sample
    config = devices.choose(configs.Config(**info["config"]), facts.inputs.kind)
    loaded = facts.inputs.load(root, test.loc[sample.index], "test", config.size, Keep(config.cache_gb * 2**30, say))
    for fault in loaded.broken.values():
        say(f"answered by the training rows' prior: {fault}")
    if time_budget is None:
        answers = inference.ensemble(source, models, loaded.rows, sample.index, config)
    else:
        most = views or config.views
        answers = allowance.predict(source, labels, loaded.rows, sample.index, config, time_budget, most, root, began, say)
    answers.loc[sample.index.isin(list(loaded.broken))] = np.array(info["prior"], np.float32)
    if isinstance(labels, all_labels.Reading) and folder is not None:
        doubt = readings.write(folder, labels, answers, loaded.rows)
        if doubt:
            say(doubt)
    return answers, sample


def predict_rows(source: Run, rows: Any, views: int | None) -> pd.DataFrame:
    """See `kit.Run.predict`. A frame is read as its CSV would be, so that it means the same as in the competition's files."""
    import numpy as np
    import pandas as pd

    from kit import devices, inference, labels as all_labels
    from kit.inputs.text import Texts

    info = source.info
    config = configs.Config(**info["config"])
    root = Path(info["root"])
    facts = competitions.load(info["competition"]).shaped(config, root if root.exists() else None).competition
    labels = all_labels.from_json(info["labels"], facts.labels)
    models = [inference.with_labels(model, labels) for model in inference.load(source, views)]
    broken: list[str] = []
    if isinstance(rows, pd.DataFrame):
        table = named_rows(facts, rows)
        loaded = facts.inputs.load(root, table, "test", config.size)
        x, ids, broken = loaded.rows, table.index, list(loaded.broken)
    elif isinstance(rows, np.ndarray) and facts.inputs.kind in ("images", "pixels"):
        x = pictures(rows, models[0].hparams["side"], models[0].hparams["channels"])
        ids = pd.Index([str(i) for i in range(len(x))], name=facts.id)
    elif isinstance(rows, list) and facts.inputs.kind == "text":
        x, ids = Texts([str(one) for one in rows]), pd.Index([str(i) for i in range(len(rows))], name=facts.id)
    else:
        raise Usage(f"{source.path}: a run on {facts.inputs.kind}; it cannot predict a {type(rows).__name__}.")
    answers = inference.ensemble(source, models, x, ids, devices.choose(config, facts.inputs.kind))
    answers.loc[answers.index.isin(broken)] = np.array(info["prior"], np.float32)
    return answers


def named_rows(facts: competitions.Competition, rows: pd.DataFrame) -> pd.DataFrame:
    """A frame given in Python as the competition's own tables are read: by its id column, or else by its index."""
    import pandas as pd

    table = rows if facts.id in rows.columns else rows.rename_axis(facts.id).reset_index()
    ids = [str(one) for one in table[facts.id]]
    frames.check_ids(ids, "the frame")
    cells = table.drop(columns=facts.id)
    if len(cells.columns):
        plain = cells.astype(object).where(cells.notna(), "")
        cells = facts.inputs.read_csv(facts.inputs.csv_text(plain).encode(), "the frame")
    return cells.set_index(pd.Index(ids, dtype=object, name=facts.id))


def pictures(images: Any, side: int, channels: int) -> Any:
    """An array of pictures as the models take it, resized where its sides differ. Raises BadData for another kind."""
    import numpy as np

    from kit.inputs.decode import resize

    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != channels:
        raise BadData(
            f"pictures are uint8 [n, height, width, {channels}] from 0 to 255; these are {images.dtype} {list(images.shape)}."
        )
    same = images.shape[1] == side or not len(images)
    return images if same else np.stack([resize(np.ascontiguousarray(one), side) for one in images])


def predict_texts(source: Run, texts: list[str]) -> pd.DataFrame:
    """Predictions for texts typed in, a row each in their order. Raises Usage for a run on anything else."""
    import pandas as pd

    from kit import devices, inference
    from kit.inputs.text import Texts

    if "members" in source.info:
        raise Usage(f"{source.path}: a blend; name one of the runs that it is made of.")
    config = configs.Config(**source.info["config"])
    inputs = competitions.load(source.info["competition"]).competition.inputs
    if inputs.kind != "text":
        raise Usage(f"{source.path}: a run on {inputs.kind}, which cannot be typed in.")
    ids = pd.Index([str(i + 1) for i in range(len(texts))], name="text")
    return inference.ensemble(source, inference.load(source), Texts(texts), ids, devices.choose(config, "text"))


def validate(name: str, file: Path, data: str | Path | None, knobs: Mapping[str, Any] | None = None) -> list[str]:
    """See `kit.validate`. Raises BadData where the file or the sample cannot be read."""
    from kit import submission

    adapter = competitions.load(name)
    root = adapter.competition.find(data)
    facts = adapter.shaped(configs.Config().changed(**(knobs or {})), root).competition
    sample = facts.test_tables(root).sample if facts.read_test else facts.sample_table(root)
    labels = facts.labels
    if not labels.columns:  # classes that only the training file tells
        labels = facts.tables(root).labels
    if not file.is_file():
        raise BadData(f"{file}: no such file.")
    return submission.faults(file.read_bytes(), sample, labels)
