"""Predictions of a complete run: for a test set, for rows given in Python, for texts typed in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions, labels as all_labels
from kit.competition import Sample, submission
from kit.console import say
from kit.data.number_spelling import Spellings, holds_numbers
from kit.errors import BadData, Usage
from kit.inference import blend, members, time_budget as budgets
from kit.inference.loaded_run import LoadedRun, load_run
from kit.inputs.base import Keep
from kit.inputs.decode import resize
from kit.inputs.text import Texts
from kit.models import threads
from kit.models.base import FoldModel
from kit.reporting import readings
from kit.storage import frames, predictions
from kit.storage.run_folder import Run
from kit.storage.runs import blend_members
from kit.storage.runs.study_answers import stored_answers
from kit.storage.tables import table_file
from kit.storage.tables.table_file import TableFormat


@threads.within_quota()
def predict(
    source: Run, data: str | Path | None, views: int | None, out: str | Path | None, time_budget: float | None = None
) -> tuple[pd.DataFrame, Path]:
    """See `kit.predict`."""
    folder = Path(out) if out else source.path / "predict"
    answers, sample = answered(source, data, views, folder, time_budget)
    labels = all_labels.from_json(source.record.labels)  # now that the adapter is loaded: they may be of a kind of its own
    predictions.write_csv(folder / "test.csv", answers)
    submission.write(folder / "submission.csv", sample, submission.build(sample, answers, labels), labels)
    return answers, folder / "submission.csv"


def answered(
    source: Run, data: str | Path | None, views: int | None, folder: Path | None = None, time_budget: float | None = None
) -> tuple[pd.DataFrame, Sample]:
    """Predictions for the test set in `data`, and its sample submission; of a blend, from the runs that it was made of.

    What was read of pictures, and how surely, is written to `folder`.
    """
    began = time.monotonic()
    if source.record.is_blend:
        return _blended(source, data, views, time_budget)
    whole = load_run(source, data)
    if source.record.study:
        if views is not None or time_budget is not None:
            raise Usage(f"{source.path}: made by kit.study, so it has no models: --views and --time-budget change nothing.")
        sample = whole.facts.test_tables(whole.root).sample
        return stored_answers(source, sample.index), sample
    # A broken one is said before anything is read.
    models = members.answering_models(whole, views) if time_budget is None else []
    config, root, inputs = whole.config, whole.root, whole.facts.inputs
    asked = whole.facts.test_tables(root)
    test, sample = asked.test, asked.sample
    loaded = inputs.load(root, test.loc[sample.index], inputs.test_split, config.size, Keep(config.cache_gb * 2**30, say))
    for note in loaded.notes:
        say(note)
    for fault in loaded.broken.values():
        say(f"answered by the training rows' prior: {fault}")
    say_doubts(models[0] if models else members.model_of(whole, members.members(source)[0]), loaded.rows)
    if time_budget is None:
        answers = members.ensemble(whole, models, loaded.rows, sample.index)
    else:
        until = began + time_budget * (1 - budgets.SPARE)
        answers = budgets.predict(whole, loaded.rows, sample.index, views=views or config.views, limit=time_budget, until=until)
    answers.loc[sample.index.isin(list(loaded.broken))] = np.array(source.record.prior, np.float32)
    if folder is not None:
        doubt = readings.write(folder, whole.labels, answers, loaded.rows)
        if doubt:
            say(doubt)
    return answers, sample


def say_doubts(model: FoldModel, rows: Any) -> None:
    """Say what of the test rows a model cannot read, or has never seen."""
    for line in model.doubts(rows, "test"):
        say(line)


def _blended(source: Run, data: str | Path | None, views: int | None, time_budget: float | None) -> tuple[pd.DataFrame, Sample]:
    """What `answered` does, for a blend, whose runs share the time that is left."""
    began = time.monotonic()
    samples: list[Sample] = []
    used = len(blend_members.counting(source.record))

    def one(run: Run) -> pd.DataFrame:
        left = None if time_budget is None else max(0.1, time_budget - time.monotonic() + began) / (used - len(samples))
        answers, sample = answered(run, data, views, time_budget=left)
        samples.append(sample)
        return answers

    def table(run: Run, ids: pd.Index) -> pd.DataFrame:
        here = load_run(run, data)
        return _spelled(here, here.facts.test_tables(here.root).test.loc[ids])

    return blend.predicted(source, one, table), samples[0]


def _spelled(whole: LoadedRun, table: pd.DataFrame) -> pd.DataFrame:
    """A table whose numbers are read as the run has read them."""
    return Spellings.from_json(whole.run.record.spellings).read_inputs(table)


@threads.within_quota()
def predict_rows(source: Run, rows: Any, views: int | None) -> pd.DataFrame:
    """See `kit.Run.predict`. A frame is read as its CSV would be, so that it means the same as in the competition's files."""

    if source.record.is_blend:
        return blend.predicted(
            source, lambda one: predict_rows(one, rows, views), lambda run, ids: _table_of(source, run, rows).loc[ids]
        )
    whole = load_run(source, needed=False)
    facts, models = whole.facts, members.answering_models(whole, views)
    broken: list[str] = []
    if isinstance(rows, pd.DataFrame):
        table = named_rows(facts, rows)
        loaded = facts.inputs.load(whole.root, table, "test", whole.config.size)
        say_doubts(models[0], loaded.rows)
        x, ids, broken = loaded.rows, table.index, list(loaded.broken)
    elif isinstance(rows, np.ndarray) and facts.inputs.kind in ("images", "pixels"):
        x = pictures(rows, models[0].hparams["side"], models[0].hparams["channels"])
        ids = pd.Index([str(i) for i in range(len(x))], name=facts.id)
    elif isinstance(rows, list) and facts.inputs.kind == "text":
        x, ids = Texts([str(one) for one in rows]), pd.Index([str(i) for i in range(len(rows))], name=facts.id)
    else:
        raise Usage(f"{source.path}: a run on {facts.inputs.kind}; it cannot predict a {type(rows).__name__}.")
    answers = members.ensemble(whole, models, x, ids)
    answers.loc[answers.index.isin(broken)] = np.array(source.record.prior, np.float32)
    return answers


def _table_of(source: Run, run: Run, rows: Any) -> pd.DataFrame:
    """Rows given in Python as a table. Raises Usage where they are no frame, which alone has columns."""
    if not isinstance(rows, pd.DataFrame):
        raise Usage(f"{source.path}: a stack that looks at columns of the table, which a {type(rows).__name__} does not have.")
    whole = load_run(run, needed=False)
    return _spelled(whole, named_rows(whole.facts, rows))


def answer_rows(source: Run, rows: Any, views: int | None) -> pd.DataFrame:
    """See `kit.Run.answers`."""
    predicted = predict_rows(source, rows, views)
    labels = all_labels.from_json(source.record.labels)
    return pd.DataFrame(labels.decode(predicted.to_numpy(np.float32), list(labels.asked)), index=predicted.index)


def named_rows(facts: competitions.Competition, rows: pd.DataFrame) -> pd.DataFrame:
    """A frame given in Python as the competition's own tables are read: by its id column, or else by its index."""
    if facts.id not in rows.columns and rows.index.nlevels > 1:
        raise BadData(
            f"the frame has an index of {rows.index.nlevels} levels and no column {facts.id!r}, which names the rows."
        )
    table = rows if facts.id in rows.columns else rows.rename_axis(facts.id).reset_index()
    ids = ["" if pd.isna(one) else str(one) for one in table[facts.id]]
    frames.check_ids(ids, "the frame")
    cells = table.drop(columns=facts.id)
    if len(cells.columns):
        plain = cells.astype(object).where(cells.notna(), "")
        plainly = TableFormat(",", "doubled")
        cells = facts.inputs.read_table(table_file.write_text(plain, plainly).encode(), "the frame.csv", plainly).frame
        numbers = cells.columns.intersection([name for name in table if holds_numbers(table[name])])
        if facts.inputs.kind.endswith("table"):  # 1.234 is no thousand, however the files write those
            cells[numbers] = table[numbers].reset_index(drop=True)
    named = cells.set_index(frames.text_index(ids, facts.id))
    return named.assign(**facts.inputs.derived(named))


def pictures(images: Any, side: int, channels: int) -> Any:
    """An array of pictures as the models take it, resized where its sides differ. Raises BadData for another kind."""
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != channels:
        raise BadData(
            f"pictures are uint8 [n, height, width, {channels}] from 0 to 255; these are {images.dtype} {list(images.shape)}."
        )
    same = images.shape[1] == side or not len(images)
    return images if same else np.stack([resize(np.ascontiguousarray(one), side) for one in images])


@threads.within_quota()
def predict_texts(source: Run, texts: list[str]) -> pd.DataFrame:
    """Predictions for texts typed in, a row each in their order. Raises Usage for a run on anything else."""

    if source.record.is_blend:
        raise Usage(f"{source.path}: a blend; name one of the runs that it is made of.")
    whole = load_run(source, needed=False)
    if whole.facts.inputs.kind != "text":
        raise Usage(f"{source.path}: a run on {whole.facts.inputs.kind}, which cannot be typed in.")
    ids = pd.Index([str(i + 1) for i in range(len(texts))], name="text")
    return members.ensemble(whole, members.answering_models(whole), Texts(texts), ids)
