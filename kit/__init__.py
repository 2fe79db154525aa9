"""Kaggle baseline kit: from a competition's files to an honest score and a submission.

import kit
run = kit.run("mnist", data="digit-recognizer", preset="fast", epochs=3)
run.scores, run.submission
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import resources
from kit.config import Config, knob
from kit.errors import BadData, DiskError, Diverged, KitError, Stopped, Usage
from kit.storage.run_folder import Run as _Run, load as _load

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from kit.competition import Asked, Competition
    from kit.inputs import Images, Inputs, Loaded, Packed, Pixels, Table, Text
    from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Reading, Tags
    from kit.metrics import Metric
    from kit.models.images.image_module import ImageModule
    from kit.models.lightning.module import FoldModule
    from kit.models.net_module import NetModule
    from kit.models.tables.mlp_module import MLPModule
    from kit.pipeline.comparison.compare import Comparison
    from kit.pipeline.study import Study
    from kit.reporting.report.plot import Plot

__version__ = "0.1.0"
resources.wait_briefly()  # before anything imports torch
# What an adapter is made of, from where it is loaded when it is asked for: `import kit` stays light.
_LAZY = {
    "kit.competition": ("Asked", "Competition"),
    "kit.inputs": ("Images", "Inputs", "Loaded", "Packed", "Pixels", "Table", "Text"),
    "kit.labels": ("Columns", "Grade", "Labels", "Numbers", "OneOf", "Reading", "Tags"),
    "kit.metrics": ("Metric",),
    "kit.models.images.image_module": ("ImageModule",),
    "kit.models.lightning.module": ("FoldModule",),
    "kit.models.net_module": ("NetModule",),
    "kit.models.tables.mlp_module": ("MLPModule",),
}
__all__ = [
    "Asked",
    "BadData",
    "Columns",
    "Competition",
    "Config",
    "DiskError",
    "Diverged",
    "FoldModule",
    "Grade",
    "ImageModule",
    "Images",
    "Inputs",
    "KitError",
    "Labels",
    "Loaded",
    "MLPModule",
    "Metric",
    "NetModule",
    "Numbers",
    "OneOf",
    "Packed",
    "Pixels",
    "Reading",
    "Run",
    "Stopped",
    "Table",
    "Tags",
    "Text",
    "Usage",
    "blend",
    "compare",
    "knob",
    "load",
    "predict",
    "run",
    "study",
    "validate",
]


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(module), name)
    command = "" if name.startswith("_") else f"; a command of this name runs in a cell as `!python -m kit {name} …`"
    raise AttributeError(f"module 'kit' has no attribute {name!r}{command}")


class Run(_Run):
    """A run's folder (see `kit.storage.run_folder.Run`), whose models predict."""

    def predict(self, rows: pd.DataFrame | np.ndarray | list[str], views: int | None = None) -> pd.DataFrame:
        """The frame of predictions by id, of a complete run's models.

        `rows`: a frame with the columns that the competition's test table has (the id column or else the index names
        them), an array of pictures uint8 [n, height, width] or [n, height, width, channels], or a list of texts.
        Raises Usage where the run is not complete or takes other rows, BadData for rows that cannot be read.
        """
        with resources.importing():
            from kit.pipeline.prediction import predict_rows
        return predict_rows(self, rows, views)

    def __str__(self) -> str:
        """What `kit run` prints at its end: folds, scores and where the submission is; the folder where it holds no run."""
        from kit.reporting.summary import summary

        return summary(self) if self.exists else str(self.path)

    def _repr_html_(self) -> str:
        """The run's report, as a notebook shows it; a line where no fold is done yet."""
        from kit.reporting.report.page import framed

        return framed(self)

    def plot(self) -> Plot:
        """The learning curves, and the confusion matrix or predicted against true numbers, as a notebook shows them.

        Raises Usage where no fold is done.
        """
        with resources.importing():
            from kit.reporting.report.plot import plot
        return plot(self)

    def answers(self, rows: pd.DataFrame | np.ndarray | list[str], views: int | None = None) -> pd.DataFrame:
        """The frame of answers by id, as the run's submission has them: `predict`, decided as the run learned to.

        A column for each of the labels'. Raises as `predict` does.
        """
        with resources.importing():
            from kit.pipeline.prediction import answer_rows
        return answer_rows(self, rows, views)


def _several(runs: Sequence[_Run | str | Path], call: str) -> list[_Run]:
    """The runs of a list. Raises Usage for one that is given alone."""
    if isinstance(runs, _Run | str | Path):
        raise Usage(f"kit.{call} takes the runs as one list: kit.{call}([run, other]).")
    return [one if isinstance(one, _Run) else load(one) for one in runs]


def load(path: str | Path) -> Run:
    """An existing run. Raises Usage where the folder is none."""
    return Run(_load(path).path)


def run(
    name: str,
    data: str | Path | None = None,
    preset: str = "fast",
    run_name: str | None = None,
    out: str | Path | None = None,
    only_fold: list[int] | None = None,
    fresh: bool = False,
    quiet: bool = False,
    rewrite: bool = False,
    **knobs: Any,
) -> Run:
    """Everything `kit run` does, or what is left of it: read, folds, train, score, predict, submission.

    `name`: a competition; `data`: its folder; `out`: the run's folder (else `runs/NAME/RUN_NAME`); `knobs`: see Config.
    `fresh`: start again; `rewrite`: make the scores and the submission of a complete run anew from its folds' predictions.
    Raises a KitError that says what is wrong and how to mend it.
    """
    from kit.pipeline.run import run as run_all

    return Run(
        run_all(
            name, data, preset, run_name=run_name, out=out, only_fold=only_fold,
            fresh=fresh, rewrite=rewrite, quiet=quiet, knobs=knobs,
        ).path
    )  # fmt: skip


def study(
    name: str,
    data: str | Path | None = None,
    preset: str = "fast",
    out: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    **knobs: Any,
) -> Study:
    """A competition read, checked and dealt into folds, for a training loop of your own; nothing is trained.

    For each fold in it: `fold.data` is a LightningDataModule, `fold.save(validation=…, test=…)` keeps what your model predicts.
    Then `finish("mine")` makes a run that report, blend, submit and ledger take like any other. `out`: the folder (else
    `runs/NAME/study`); `resume`: keep the folds that an earlier process saved there. Raises a KitError.
    """
    with resources.importing():
        from kit.pipeline.study import study as begin
    return begin(name, data, preset, out=out, kind=Run, resume=resume, quiet=quiet, knobs=knobs)


def predict(
    run: _Run | str | Path,
    data: str | Path | None = None,
    views: int | None = None,
    out: str | Path | None = None,
    time_budget: float | None = None,
) -> tuple[pd.DataFrame, Path]:
    """Predictions (by id) of a complete run's checkpoints for the test set in `data`, and the submission's path.

    The test set may be another than the run saw: larger, in another order, with other ids. `time_budget`: seconds in
    which it is to be done, by the folds and views that are worth most.
    """
    with resources.importing():
        from kit.pipeline.prediction import predict as predict_all
    return predict_all(run if isinstance(run, _Run) else load(run), data, views, out, time_budget)


def compare(runs: Sequence[_Run | str | Path], by: str = "", data: str | Path | None = None) -> Comparison:
    """Complete runs of one competition beside each other, on the rows that all of them have: the best first.

    How much better it is by the competition's metric, with the noise of the rows and of the folds, and where: `table` (a
    frame), `pairs`, `text()`, `json()`. `by`: a column of the training table by which scores are shown; `data`: where that
    is, if it was moved. Raises Usage where runs cannot be compared, BadData for a run without its answers.
    """
    with resources.importing():
        from kit.pipeline.comparison.compare import compare as compare_runs
    return compare_runs(_several(runs, "compare"), by, data)


def blend(
    runs: Sequence[_Run | str | Path],
    name: str = "blend",
    out: str | Path | None = None,
    by: str = "weights",
    columns: str = "",
    data: str | Path | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> Run:
    """A run made of the predictions of complete runs of one competition: their blend, or the best of them where that does
    not pay.

    `name`, `out`: of the new run; `by`: "weights" or "stack", and at which `columns` (`"age,size"`) a stack looks too; `data`:
    where the competition's files are, if they were moved; `fresh`: make it again. Raises Usage where runs cannot be blended.
    """
    with resources.importing():
        from kit.inference.blend import blend as blend_runs
    several = _several(runs, "blend")
    return Run(blend_runs(several, name=name, out=out, data=data, fresh=fresh, quiet=quiet, way=by, columns=columns).path)


def validate(name: str, file: str | Path, data: str | Path | None = None, **knobs: Any) -> list[str]:
    """Every fault of a submission file, each with its line and id; an empty list: Kaggle will accept it.

    `knobs`: the columns where a competition leaves them open (`target="price"`).
    """
    from kit.competition.validation import validate as validate_file

    return validate_file(name, Path(file), data, knobs)
