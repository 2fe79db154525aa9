"""A submission file held against the sample, before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit import config as configs
from kit.competition import Adapter, loading as competitions, submission
from kit.competition.sample import EXCERPT
from kit.errors import BadData
from kit.storage.run_folder import Run


def validate(name: str, file: Path, data: str | Path | None, knobs: Mapping[str, Any] | None = None) -> list[str]:
    """See `kit.validate`. Raises BadData where the file or the sample cannot be read."""
    adapter = competitions.load(name)
    root = adapter.find(data or _data_of(file, adapter))
    facts = adapter.shaped(configs.Config().changed(**(knobs or {})), root).competition
    sample = None if facts.read_test else facts.sample_table(root)
    if sample is None or len(sample) <= EXCERPT:  # of a larger test, perhaps
        sample = facts.test_tables(root).sample
    labels = facts.labels
    if not labels.columns:  # classes that only the training file tells
        labels = facts.tables(root).labels
    if not file.is_file():
        raise BadData(f"{file}: no such file.")
    return submission.faults(file.read_bytes(), sample, labels)


def _data_of(file: Path, adapter: Adapter) -> str | None:
    """The folder that a run was trained on, where the file is its submission and the folder is still there."""
    run = Run(file.parent)
    if file != run.submission or not run.exists or run.record.competition != adapter.source:
        return None
    return run.record.root if run.record.root and Path(run.record.root).is_dir() else None
