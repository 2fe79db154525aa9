"""Errors for people: what is wrong, where, how to mend it. Each kind carries its exit code."""

from collections.abc import Iterable
from difflib import get_close_matches

LONG = 200  # characters of a cell or a name that are shown


class KitError(Exception):
    """Any failure the kit foresaw. `code` is the process's exit code (CONTRIBUTING lists them)."""

    code = 1


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


class Stopped(KitError):
    """Stopped on request with its state saved; the same command resumes. `signum` 0: asked in time (75)."""

    def __init__(self, message: str, signum: int = 0):
        super().__init__(message)
        self.code = 128 + signum if signum else 75


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
