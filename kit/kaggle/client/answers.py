"""Answers: whether what came back has the form of Kaggle's. Its package takes whatever comes."""

from __future__ import annotations

from typing import Any

# What Kaggle's answers hold, by name. The package gives what is of another type as nothing.
LISTS = {  # of objects with one of these fields
    "files": ("name", "fileName"),
    "submissions": ("ref",),
    "competitions": ("ref",),
    "datasetFiles": ("name",),
}
NUMBERS, TEXTS = ("totalBytes", "versionNumber", "numAllowedNow"), ("name", "fileName", "url", "token", "createUrl", "status")


class Strange(Exception):
    """An answer that is none of Kaggle's: a login page, a proxy's words, half of one."""


def look(response: Any) -> None:
    """Raise Strange for an answer of the API that has not the form of Kaggle's, HTTPError for an error without its form."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        response.raise_for_status()
        text = response.content[:1000].decode("utf-8", "replace").lstrip().lower()
        raise Strange("an HTML page" if text.startswith("<") else "nothing" if not text else "no JSON object")
    for name, needed in LISTS.items():
        entries = body.get(name) or []
        if not isinstance(entries, list) or not all(isinstance(one, dict) and {*needed} & {*one} for one in entries):
            raise Strange(f"{name!r} is no list with {' or '.join(needed)} in each entry")
    for one in [body, *(entry for name in LISTS for entry in body.get(name) or [])]:
        for names, kind in ((NUMBERS, int), (TEXTS, str)):
            wrong = [name for name in names if one.get(name) is not None and type(one[name]) is not kind]
            if wrong:
                raise Strange(f"{wrong[0]!r} is {str(one[wrong[0]])[:60]!r}")
