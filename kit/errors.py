"""Errors for people: what is wrong, where, how to mend it. Each kind carries its exit code."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from kit.console import in_notebook, printable

NETWORK = ("socket", "requests", "urllib3", "http")  # modules whose errors are of the network; many of them are OSErrors
GPU = re.compile(r"CUDA error: (?!device-side|an illegal|invalid)(.+)")  # of the driver or the card; the others are a program's
LONG = 200  # characters of a cell or a name that are shown


class KitError(Exception):
    """Any failure the kit foresaw. `code` is the process's exit code (CONTRIBUTING lists them)."""

    code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it (IPython asks): the message, as on a terminal. `%tb` shows where it was raised."""
        return [f"kit: {printable(str(self))}"]


class Usage(KitError):
    """An unknown flag, competition or knob, or a run that was started with another configuration."""

    code = 2


class BadData(KitError):
    """The files, ids, labels or the submission are wrong."""

    code = 65


class Unreachable(KitError):
    """A service on the network (a hub, Kaggle) cannot be reached or said no."""

    code = 69


class DiskError(KitError):
    """The disk is full, unreadable or unwritable."""

    code = 74


class Diverged(KitError):
    """Training produced NaN or infinity."""


class Pruned(KitError):
    """A trial that was ended early because others were better by then."""


class Stopped(KitError):
    """Stopped on request with its state saved; the same command resumes. `signum` 0: asked in time (75)."""

    def __init__(self, message: str, signum: int = 0):
        super().__init__(message)
        self.code = 128 + signum if signum else 75


def explained(fault: Exception) -> tuple[str, int]:
    """The message and the exit code of any error: one that no place of the kit foresaw too."""
    if isinstance(fault, KitError):
        return str(fault), fault.code
    if _lacks_memory(fault):
        advice = "Close other programs, or use a machine with more; in training --batch, --size and --limit need less."
        return f"the memory of this machine is full. {advice}", KitError.code
    if isinstance(fault, ConnectionError | TimeoutError) or type(fault).__module__.partition(".")[0] in NETWORK:
        return f"the connection failed ({fault}). Try again.", Unreachable.code
    if isinstance(fault, RuntimeError) and (failed := GPU.search(str(fault))):
        advice = "Does another program use it (`nvidia-smi`)? The same command goes on; --devices cpu does without it."
        return f"the GPU does not serve this process ({failed[1]}). {advice}", Unreachable.code
    if isinstance(fault, OSError):
        where = fault.filename if fault.filename is not None else "a file"
        said = f"cannot be read or written ({fault.strerror or fault}). What was written before is intact."
        return f"{where}: {said}", DiskError.code
    if where := _in_an_adapter(fault):
        return f"{where}: {type(fault).__name__}: {fault}\n--debug shows the traceback.", Usage.code
    return f"this is an error in the kit: {type(fault).__name__}: {fault}\nPlease report it. --debug shows the traceback.", 1


def _in_an_adapter(fault: Exception) -> str:
    """The line and function of an adapter that raised an error, or called a library that did; "" where the kit did."""
    for frame, line in reversed([*traceback.walk_tb(fault.__traceback__)]):
        place, name = Path(frame.f_code.co_filename), frame.f_globals.get("__name__", "")
        if name.startswith("kit."):
            return ""
        if name.startswith("competitions.") and place.parent != Path(__file__).parents[1] / "competitions":
            return f"{place}, line {line}, in {frame.f_code.co_name}"
    return ""


def _lacks_memory(fault: Exception) -> bool:
    """A library that finds no room when it is loaded is an ImportError by glibc's words: `failed to map segment`."""
    if isinstance(fault, ImportError):
        return "failed to map segment" in str(fault) or "annot allocate memory" in str(fault)
    return isinstance(fault, MemoryError) or (isinstance(fault, OSError) and fault.errno == errno.ENOMEM)


def unreadable(path: Path, fault: OSError) -> DiskError:
    """The error for a file that is there and cannot be read."""
    advice = "\nMay this user read it? See `ls -l`." if isinstance(fault, PermissionError) else ""
    return DiskError(f"{path}: cannot be read ({fault.strerror or fault}).{advice}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" Did you mean 'epochs'?"`, or an empty string where nothing known is close."""
    close = get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def quoted(item: object) -> str:
    """An item as text in quotes; of a long one its beginning."""
    text = str(item)
    return repr(text if len(text) <= LONG else text[:LONG] + "…")


def listed(items: Iterable[object], limit: int = 5) -> str:
    """The first few items as text, and how many more there are."""
    items = list(items)
    shown = ", ".join(map(quoted, items[:limit]))
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "")


def install(extra: str) -> str:
    """The command that installs an extra into the Python that runs now: the `pip` of the path may be another's."""
    if in_notebook():
        return f"%pip install 'kaggle-baseline-kit[{extra}]'"
    python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else sys.executable
    return f"{python} -m pip install 'kaggle-baseline-kit[{extra}]'"
