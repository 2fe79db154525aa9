"""Whole numbers as answers: do they name classes, or are they amounts? The files tell, or nearly so.

Evidence is weighed: what the column is called, how many rows each number has, and whether the numbers of neighbours' rows go
together, as they do for amounts.
"""

from __future__ import annotations

import re

import numpy as np

SIGNS = 3  # so many may be -1, 0 and 1; more of them, where some are negative, are amounts
FEW = 20  # so many different whole numbers are classes, unless something speaks against it
MANY = 1_200  # more are amounts
LARGEST = 10_000_000  # larger ones are amounts
EVEN = 0.5  # variance of the rows of each number over their mean: at most so much where classes were made equally large
UNEVEN = 2.0  # and at least so much where something shapes them
ALIKE, UNLIKE = 0.6, 0.35  # correlation of the rows of neighbouring numbers, for amounts and for classes
SPARSE = 10  # times as many numbers as have rows: neighbours tell nothing
CLASSES = re.compile(  # words in the names of columns
    ".*(class|label|categor|species|breed).*|types?|.*code|codes|kinds?|genus|family|ids?|groups?|clusters?|topics?|genres?"
    "|brands?|characters?|letters?|digits?|symbols?|signs?|languages?|departments?"
)
AMOUNTS = re.compile(
    "ages?|counts?|prices?|years?|amounts?|days?|scores?|num|quantity|qty|sales?|sold|costs?|totals?|sum|hours?|minutes?|weeks?"
    "|seconds?|months?|incomes?|salar(y|ies)|revenues?|values?|weights?|heights?|lengths?|widths?|sizes?|distances?|durations?"
    "|times?|areas?|volumes?|rings|demands?|visits|visitors|views|clicks|likes|temperatures?|speeds?|power|points|rates?|percent"
    "|population|strength|trips|rentals|orders|units"
)


def are_classes(name: str, values: np.ndarray, spelled: list[str], asked: list[str]) -> bool:
    """Do whole numbers name classes? `values`: of the training rows, float64 [n], all whole; `spelled`: the different cells.

    `asked`: the different answers of the sample.
    """
    numbers, rows = np.unique(values, return_counts=True)
    shown = [number for cell in asked if (number := _number(cell)) is not None]
    if len(numbers) > 2 and any(number % 1 for number in shown):
        return False
    if len(numbers) > SIGNS and not could_be_classes(values):
        return False
    called = _called(name)
    if len(numbers) > 2 and called < 0:
        return False
    evidence = 3 * (len(numbers) <= FEW) + 2 * called + _of_rows(numbers, rows)
    evidence += 3 * any(len(cell.strip()) > 1 and cell.strip()[0] == "0" and cell.strip().isdecimal() for cell in spelled)
    evidence -= 2 * (len(set(shown)) > 2 and not set(shown) <= set(numbers))
    return evidence > 0


def could_be_classes(values: np.ndarray) -> bool:
    """Are values, float64 [n], whole numbers that may name classes, as a question at least: none negative, none huge?"""
    numbers, rows = np.unique(values, return_counts=True)
    small = len(numbers) <= MANY and numbers[0] >= 0 and numbers[-1] <= LARGEST
    return bool(not (numbers % 1).any() and small and (len(numbers) <= FEW or np.median(rows) > 1))


def _called(name: str) -> int:
    """What a column's name says: 1 for classes, -1 for amounts, 0 for neither or both."""
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
    return int(any(map(CLASSES.fullmatch, words))) - int(any(map(AMOUNTS.fullmatch, words)))


def _of_rows(numbers: np.ndarray, rows: np.ndarray) -> int:
    """What the numbers of rows say: even ones are made so; those of neighbours go together where they are amounts."""
    evidence = int(numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1)  # none is left out
    shape = rows.var() / rows.mean()
    if rows.mean() >= 2 and shape <= EVEN:
        return evidence + 3
    if shape < UNEVEN or numbers[-1] - numbers[0] > SPARSE * len(numbers):
        return evidence
    alike = _neighbours(numbers, rows)
    return evidence + 2 * (alike < UNLIKE) - 2 * (alike > ALIKE)


def _neighbours(numbers: np.ndarray, rows: np.ndarray) -> float:
    """The correlation of the rows of neighbouring numbers, without the noise of counting them.

    Of square roots, whose noise is a variance of a quarter whatever the count.
    """
    roots = np.zeros(int(numbers[-1] - numbers[0]) + 1)
    roots[(numbers - numbers[0]).astype(int)] = np.sqrt(rows)
    roots -= roots.mean()
    signal = (roots**2).mean() - 0.25
    return float((roots[1:] * roots[:-1]).mean() / signal) if signal > 0 else 0.0


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
