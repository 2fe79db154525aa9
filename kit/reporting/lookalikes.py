"""Classes that a reader takes for one: spaces, letter case, forms of Unicode, and letters of other scripts that look Latin."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from kit.errors import listed

# Letters that most fonts draw as Latin ones, of the scripts that share keyboards with it (Unicode TR 39 lists thousands).
CYRILLIC = ("АВЕЗКМНОРСТУХІЈЅаеорсухіјѕԁһԛԝ", "ABE3KMHOPCTYXIJSaeopcyxijsdhqw")
GREEK = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρ", "ABEZHIKMNOPTYXovp")
LATIN = str.maketrans(CYRILLIC[0] + GREEK[0], CYRILLIC[1] + GREEK[1])


def remarks(classes: Iterable[str]) -> Iterator[str]:
    """A line for each set of classes that look alike."""
    same: dict[str, list[str]] = {}
    for name in classes:
        same.setdefault(skeleton(name), []).append(name)
    for names in same.values():
        if len(names) > 1:
            yield f"classes spelled alike: {listed(names)}{_foreign(names)} (kept apart; mend the file if they are one)"


def skeleton(name: str) -> str:
    """What a name looks like: equal for names that a reader takes for one."""
    return unicodedata.normalize("NFKC", name).strip().translate(LATIN).casefold()


def _foreign(names: list[str]) -> str:
    """The letters that tell names apart and cannot be seen, by their Unicode names."""
    letters = sorted({letter for name in names for letter in name if ord(letter) in LATIN})
    known = ", ".join(unicodedata.name(letter) for letter in letters)
    return f", with {known}" if letters else ""
