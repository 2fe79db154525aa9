"""Loggers: the metrics of each epoch to where people look (`--logger`), from a thread, so that none stops or slows a run.

`names` is asked before torch is loaded, so Lightning's loggers are imported when a channel begins.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.config import Config
from kit.errors import Usage, did_you_mean, install

GRACE = 8.0  # seconds that the end of a fold waits for a service that does not answer
SECRET = ("KEY", "TOKEN", "PASSWORD", "SECRET", "URI", "URL")  # environment variables whose values are never shown
Row = Mapping[str, float]


class Channel(threading.Thread):
    """One of Lightning's loggers for one fold, fed through a queue. Whatever it raises becomes one line, and its end."""

    def __init__(self, name: str, config: Config, folder: Path, say: Callable[[str], None]):
        super().__init__(name=f"logger {name}", daemon=True)
        self.logger, self.config, self.folder, self.say = name, config, folder, say
        self.rows: queue.SimpleQueue[Row | None] = queue.SimpleQueue()

    def run(self) -> None:
        try:
            from pytorch_lightning import loggers as lightning

            logger = MAKERS[self.logger](lightning, self.folder)
            logger.log_hyperparams(self.config.json())
            while (row := self.rows.get()) is not None:
                values = {key: value for key, value in row.items() if key != "epoch" and value == value}
                logger.log_metrics(values, step=int(row["epoch"]))
            logger.finalize("success")
            if self.logger == "wandb":  # the next fold would log into this one's run
                logger.experiment.finish()
            if self.logger == "comet":
                logger.experiment.end()
        except Exception as fault:  # services and their clients raise what they like; training goes on
            self.say(f"--logger {self.logger}: left out from here on ({_harmless(fault)}); history.csv has everything")


class Log:
    """The loggers of one fold. `folder`: the fold's; `say`: for the one line about a logger that fails."""

    def __init__(self, config: Config, folder: Path, say: Callable[[str], None]):
        self.channels = [Channel(name, config, folder, say) for name in names(config)]
        self.say = say

    def start(self, history: list[dict[str, float]]) -> None:
        """Begin, with the epochs that a resumed fit has behind it."""
        for channel in self.channels:
            channel.start()
        for row in history:
            self.epoch(row)

    def epoch(self, row: Row) -> None:
        """Log a row of the history; returns at once."""
        for channel in self.channels:
            channel.rows.put(dict(row))

    def close(self, last: Row | None = None) -> None:
        """Log a last row and end; waits for GRACE seconds at most."""
        until = time.monotonic() + GRACE
        for channel in self.channels:
            if last is not None:
                channel.rows.put(last)
            channel.rows.put(None)
        for channel in self.channels:
            if channel.ident is not None:
                channel.join(max(0.0, until - time.monotonic()))
            if channel.is_alive():
                self.say(f"--logger {channel.logger}: does not answer; not waited for. history.csv has everything")
        self.channels = []


def names(config: Config) -> list[str]:
    """The loggers asked for besides `history.csv`, which is always there. Raises Usage for one unknown or not installed."""
    asked = [name.strip() for name in config.logger.split(",") if name.strip() not in ("", "csv")]
    for name in asked:
        if name == "neptune":
            raise Usage(f"--logger neptune: Neptune was shut down, and Lightning dropped it. There are {', '.join(MAKERS)}.")
        if name not in MAKERS:
            raise Usage(f"--logger {name!r}: one of csv, {', '.join(MAKERS)}.{did_you_mean(name, MAKERS)}")
        if find_spec({"comet": "comet_ml"}.get(name, name)) is None:
            raise Usage(f"--logger {name}: {name} is not installed: {install(name)}.")
    return asked


def _names_of(folder: Path) -> tuple[str, str]:
    """Project and run: `digits` and `fast fold0` for `runs/digits/fast/fold0`."""
    run = folder.resolve().parent
    return run.parent.name or "kit", f"{run.name} {folder.name}"


def _tensorboard(lightning: Any, folder: Path) -> Any:
    return lightning.TensorBoardLogger(folder, name="", version="tensorboard")


def _mlflow(lightning: Any, folder: Path) -> Any:
    """To $MLFLOW_TRACKING_URI, else to `mlflow.db` in the run's folder."""
    (project, run), place = _names_of(folder), folder.resolve().parent
    local: Any = {"tracking_uri": f"sqlite:///{place / 'mlflow.db'}", "artifact_location": (place / "mlartifacts").as_uri()}
    return lightning.MLFlowLogger(project, run, **({} if os.environ.get("MLFLOW_TRACKING_URI") else local))


def _wandb(lightning: Any, folder: Path) -> Any:
    """By wandb's own settings ($WANDB_MODE=offline keeps it here); it neither prints nor watches the console."""
    import wandb

    project, run = _names_of(folder)
    quiet = wandb.Settings(console="off", silent=True)
    return lightning.WandbLogger(
        name=run, project=project, save_dir=folder.parent, group=folder.resolve().parent.name, settings=quiet
    )


def _comet(lightning: Any, folder: Path) -> Any:
    """Without a $COMET_API_KEY into an archive in the fold's folder, which `comet upload` sends later."""
    project, run = _names_of(folder)
    if not os.environ.get("COMET_API_KEY"):
        os.environ["COMET_START_ONLINE"] = "false"  # Lightning's own `online=False` switches it off altogether
    kept: Any = {"name": run, "offline_directory": str(folder), "log_code": False, "log_env_details": False}
    return lightning.CometLogger(project=project, **kept)


MAKERS: dict[str, Callable[[Any, Path], Any]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "comet": _comet,
}


def _harmless(fault: Exception) -> str:
    """The first line of an error, without the values of environment variables that may be secret."""
    said = (str(fault).strip() or type(fault).__name__).splitlines()[0]
    for name, value in os.environ.items():
        if len(value) > 3 and any(word in name.upper() for word in SECRET):
            said = said.replace(value, "…")
    return said[:160]
