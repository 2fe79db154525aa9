"""Console: all that is printed: results on stdout, progress on stderr (a bar on a terminal or in a notebook, else lines).

Names of files and cells of tables reach the terminal: what could steer it (escape sequences, marks that turn the direction of
writing) is shown as text, so that no name can rewrite the screen.
"""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from typing import Any

LINE_EVERY = 5.0  # seconds between plain lines
BAR = "{desc}  {bar:16}  {percentage:3.0f}%  {rate_fmt}  {remaining} left{postfix}"
WIDGET = BAR.replace("{bar:16}", "{bar}")  # a widget draws its own
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
REFRESH = 0.2  # seconds between refreshes of the bar: each costs as much as a small step


class Progress:
    """The progress of a whole run: `total` is the training rows of all folds and epochs; 0 until `expect` sets it.

    On a terminal and in a notebook each fold has a bar, which stays when it is done. Folds that other processes train move one
    bar of the run.
    """

    def __init__(self, total: int = 0, quiet: bool = False):
        self.quiet, self.total, self.done = quiet, total, 0
        self.began = self.last = time.monotonic()
        self.worked = 0
        self.label, self.values = "", ""
        self.scores: list[float] = []
        self.bar: Any = None
        if total:
            self.expect(total)

    def expect(self, total: int) -> None:
        """Set the number of training rows of all folds and epochs, and show the bar."""
        self.total = total
        self.began = self.last = time.monotonic()
        self._show(total, leave=False)

    def fold(self, label: str, skipped: int = 0, rows: int = 0) -> None:
        """A fold begins; `skipped` of its rows were trained before the run was resumed. `rows`: of all its epochs, where it is
        trained here."""
        self.label, self.values = label, ""
        if rows and self.bar is not None:
            self._show(rows, leave=True, initial=skipped, desc=label)
            self.done += skipped
        else:
            self._count(skipped)

    def skip(self, rows: int) -> None:
        """Leave these rows out of the count, as a fold ended early."""
        self._count(rows)

    def batch(self, rows: int, epoch: int, epochs: int) -> None:
        """One batch was trained."""
        self.worked += rows
        self._count(rows)
        if self.bar is not None:
            self.bar.set_description_str(f"{self.label} · epoch {epoch + 1}/{epochs}", refresh=False)
            more = self.total - self.done > self.bar.total - self.bar.n
            words = [f"the run {clock(self._left())}" if more else "", self.values]
            self.bar.set_postfix_str("  ".join(filter(None, words)), refresh=False)

    def epoch(self, epoch: int, epochs: int, values: dict[str, float]) -> None:
        """An epoch ended with these values."""
        self.values = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        if self.bar is not None:
            self.bar.set_postfix_str(self.values, refresh=False)
        elif not self.quiet and (time.monotonic() - self.last > LINE_EVERY or epoch + 1 == epochs):
            self.last = time.monotonic()
            speed = self.worked / max(self.last - self.began, 1e-9)
            left = clock(self._left())
            self.say(f"{self.label}  epoch {epoch + 1}/{epochs}  {self.values}  {speed:,.0f} rows/s  {left} left")

    def scored(self, metric: str, score: float) -> None:
        """The validation rows of the fold have this score; its bar shows it, and the mean of the folds so far."""
        self.scores.append(score)
        if self.bar is not None:
            mean = f"  mean {sum(self.scores) / len(self.scores):.5f}" if len(self.scores) > 1 else ""
            self.bar.set_postfix_str(f"{metric} {score:.5f}{mean}")

    def say(self, text: str, lines: bool = False) -> None:
        """Print a line on stderr (`lines`: or several) without breaking the bar."""
        if not self.quiet:
            say(text, lines)

    def close(self) -> None:
        """End the bar; that of a fold stays as it is."""
        global _bar
        if self.bar is not None:
            if not self.bar.leave:
                self.bar.total = self.bar.n  # a widget that is closed before its end stays, and is red
            self.bar.close()
            self.bar = _bar = None

    def _show(self, total: int, leave: bool, **settings: Any) -> None:
        """Show a bar in the place of the one before."""
        global _bar
        self.close()
        if not self.quiet and (sys.stderr.isatty() or in_notebook()):
            kind, widget = bar_class()
            self.bar = _bar = kind(
                total=total, unit=" rows", unit_scale=True, mininterval=REFRESH, leave=leave, dynamic_ncols=True,
                bar_format=WIDGET if widget else BAR, **settings,
            )  # fmt: skip

    def _left(self) -> float:
        """Seconds that the rows not yet trained will take at the speed so far."""
        speed = self.worked / max(time.monotonic() - self.began, 1e-9)
        return max(self.total - self.done, 0) / max(speed, 1e-9)

    def _count(self, rows: int) -> None:
        self.done += rows
        if self.bar is not None:
            self.bar.update(rows)


_bar: Any = None  # the one that is shown: a line is printed above it


def in_notebook() -> bool:
    """Does a notebook's kernel run this? It shows a bar though its streams are no terminal."""
    return "ipykernel" in sys.modules


def bar_class() -> tuple[Any, bool]:
    """tqdm's bar for where this runs, and whether it is a widget (in a notebook that has ipywidgets) or letters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that ipywidgets is missing, and that tqdm.rich is an experiment
        from tqdm.auto import tqdm
    return tqdm, any(kind.__module__ == "tqdm.notebook" for kind in tqdm.__mro__)


class Waiting:
    """Shows what the command waits for: on a terminal a spinner with the time, elsewhere a line at each change."""

    def __init__(self, quiet: bool = False):
        self.quiet, self.began, self.said = quiet, time.monotonic(), ""

    def wait(self, text: str, seconds: float) -> None:
        """Wait for this number of seconds and show the text."""
        until = time.monotonic() + seconds
        turning = not self.quiet and sys.stderr.isatty()
        if not self.quiet and not turning and text != self.said:
            say(f"{text} …")
        self.said = text
        while (now := time.monotonic()) < until:
            if turning:
                sign = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(now * 10) % 10]
                line = f"{sign} {printable(text, lines=False)}  {clock(now - self.began)}"
                print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
            time.sleep(min(0.1, until - now))
        if turning:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def printable(text: str, lines: bool = True) -> str:
    """Text as a terminal may get it: what would steer it is written as `\\x1b`; without `lines` a line break is too."""
    shown = STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return shown if lines else shown.replace("\n", "\\n")


def output(text: object = "", lines: bool = True) -> None:
    """Print a result on stdout; without `lines` as a single line."""
    print(printable(str(text), lines), flush=True)


def say(text: str, lines: bool = False) -> None:
    """Print a line on stderr (`lines`: or several), where all goes that is not a result; above the bar, if one is shown."""
    if _bar is not None:
        _bar.write(printable(text, lines), file=sys.stderr)
    else:
        print(printable(text, lines), file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """Print an error on stderr, in one line or a few."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    red, plain = ("\033[31m", "\033[0m") if coloured else ("", "")
    print(f"{red}kit: {plain}{printable(text)}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """`1:02:03`, `2:31` or `0:07`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Aligned columns: text to the left, numbers to the right."""
    lines = [[printable(cell, lines=False) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    right = [all(_numeric(row[i]) for row in rows if row[i]) for i in range(len(header))]
    text = []
    for line in lines:
        cells = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def _numeric(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").replace(":", "").isdigit()
