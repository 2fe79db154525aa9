"""Classes that look alike are listed, whatever makes them differ, and others are not."""

import pytest

from kit.reporting import lookalikes


@pytest.mark.parametrize("other", ["Cat", "cat ", "\u0441at", "c\u0430t", "\uff43\uff41\uff54", "C\u0391T"])
def test_what_looks_alike_is_listed_once(other: str) -> None:
    (line,) = lookalikes.remarks(["cat", "dog", other])
    assert line.startswith("classes spelled alike: 'cat', ") and "dog" not in line


def test_a_letter_that_cannot_be_told_by_eye_is_named() -> None:
    (line,) = lookalikes.remarks(["cat", "\u0441at"])
    assert "with CYRILLIC SMALL LETTER ES" in line


def test_classes_of_one_script_and_different_words_pass() -> None:
    assert not list(lookalikes.remarks(["cat", "cats", "кот", "код", "d0g", "dog", "γάτα"]))
