"""Date spelling: dates as people and machines write them (Jan 5, 2020, 05-Jan-20, 06/15/2012 01:30 PM), as ISO text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

ORDERS = ("ymd", "dmy", "mdy")  # of year, month and day where all are digits
NAMED = re.compile(r"(?i)(.*[_\W])?(date|day|datum|dt)([_\W].*)?|.*[a-z](Date|Day)")  # columns in which 20120615 is a date
YEARS = range(1000, 2262)  # of a date; of a month alone it is one of MODERN
MODERN = range(1900, 2101)
CENTURY = 69  # two digits below it are of this century
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONG = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
TIME = (
    r"(?:(?:[T,]|\s)\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
TH = r"(?:st|nd|rd|th)?"
DIGITS = re.compile(rf"(?P<a>\d{{1,4}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{1,4}}){TIME}", re.ASCII)
WORDS = [
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        rf"{WEEKDAY}(?P<day>\d{{1,2}}){TH}[-\s./]+(?P<name>[a-z]{{3,9}})[-\s./,]+(?P<year>\d{{4}}|\d{{2}}){TIME}",
        rf"{WEEKDAY}(?P<name>[a-z]{{3,9}})\.?[-\s]+(?P<day>\d{{1,2}}){TH}[,\s-]+(?P<year>\d{{4}}){TIME}",
        rf"(?P<year>\d{{4}})[-\s./](?P<name>[a-z]{{3,9}})[-\s./](?P<day>\d{{1,2}}){TIME}",
        r"(?P<name>[a-z]{3,9})\.?[-\s,]+(?P<year>\d{4})",
    )
]
MONTH = re.compile(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})", re.ASCII)
COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?P<t>T?)(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?)?(?P<z>Z?)",
    re.ASCII,
)
PLAIN = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


def iso(cell: str, order: str, digits: bool = False) -> str | None:
    """A cell as 2012-06-15 or 2012-06-15T13:30:00; None where it is no date. `digits`: may it be 20120615?"""
    match = DIGITS.fullmatch(cell)
    if match:
        return _ordered(match, order)
    match = COMPACT.fullmatch(cell)
    if match:
        return _text(match) if digits or match["t"] or match["z"] else None
    match = MONTH.fullmatch(cell)
    if match:
        return _text(match) if int(match["year"]) in MODERN else None
    return next((_text(match) for pattern in WORDS if (match := pattern.fullmatch(cell))), None)


def are_dates(cells: Iterable[str]) -> bool:
    """Are all of these cells dates, in one order of their parts?"""
    texts = [str(cell).strip() for cell in cells]
    return bool(texts) and any(all(iso(text, order) for text in texts) for order in ORDERS)


def _ordered(match: re.Match[str], order: str) -> str | None:
    """A date of digits: a year that comes first is followed by month and day."""
    a, b, c = match["a"], match["b"], match["c"]
    if len(a) > 2:
        return _text(match, a, b, c)
    if order == "ymd" or len(c) != 4:  # two digits say too little
        return None
    return _text(match, c, *((b, a) if order == "dmy" else (a, b)))


def _text(match: re.Match[str], year: str = "", month: str = "", day: str = "") -> str | None:
    """The parts of a match as text; None where there is no such day or time."""
    found = {key: part for key, part in match.groupdict().items() if part}
    name = found.get("name", "").lower()
    if name and name not in (*MONTHS, *LONG, "sept"):
        return None
    years = int(year or found["year"])
    if len(year or found["year"]) == 2:
        years += 2000 if years < CENTURY else 1900
    months = MONTHS.index(name[:3]) + 1 if name else int(month or found["month"])
    hour, half = int(found.get("hour", 0)), found.get("half", "")[:1].lower()
    if years not in YEARS or (half and not 1 <= hour <= 12):
        return None
    hour = hour % 12 + 12 * (half == "p") if half else hour
    try:
        days = int(day or found.get("day", 1))
        when = datetime(years, months, days, hour, int(found.get("minute", 0)), int(found.get("second", 0)))
    except ValueError:
        return None
    return when.isoformat() if "hour" in found else when.date().isoformat()
