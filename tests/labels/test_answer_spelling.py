"""Answer spelling: the training table's answers come to be written as the sample has them, and no two classes are mixed up."""

import pandas as pd
import pytest

from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags, answer_spelling
from kit.labels.answer_spelling import indicators, respelled

SPELLINGS = [  # in the training table, in the sample: each the same classes in the same order
    (("1.0", "2.0", "10.0"), ("1", "2", "10")),
    (("01", "02", "10"), ("1", "2", "10")),
    (("1", "2", "10"), ("001", "002", "010")),
    (("1.0", "2.0", "10.0"), ("01", "02", "10")),
    (("FALSE", "TRUE"), ("False", "True")),
    ((" <=50K", " >50K"), ("<=50K", ">50K")),
    (("<=50K", ">50K"), (" <=50K", " >50K")),
    (("0", "1"), ("False", "True")),
    (("No", "Yes"), ("0", "1")),
    (("n", "y"), ("NO", "YES")),
    (("0.0", "1.0"), ("0", "1")),
    (("False", "True"), ("0.0", "1.0")),
    (("Cat", "Dog"), ("cat", "dog")),
    (("red fox", "OWL"), ("Red Fox", "Owl")),
    (("red_fox", "owl"), ("red fox", "owl")),
    (("New York", "Rome"), ("NEW-YORK", "ROME")),
    (("4.5", "5.0"), ("4.5", "5")),
    (("007", "cat"), ("007", "cat")),
    (("Ä B", "ö"), ("ä b", "ö")),
]


@pytest.mark.parametrize(("trained", "asked"), SPELLINGS)
def test_the_whole_spelling_is_told_by_what_the_sample_shows(trained: tuple[str, ...], asked: tuple[str, ...]) -> None:
    """By all of its classes, and by the first alone, where it is written otherwise."""
    for shown in (asked, asked[:1]):
        changes = respelled(trained, shown)
        if not set(shown) <= set(trained):
            assert tuple(changes.get(one, one) for one in trained) == asked
    assert respelled(asked, asked) == {}


@pytest.mark.parametrize("asked", [(), ("",), ("?",), ("0.5",), ("ant",), ("cat",), ("nan", "-1")])
def test_what_needs_no_other_spelling_or_has_none_is_left(asked: tuple[str, ...]) -> None:
    assert respelled(("cat", "dog"), asked) == {}


def test_letters_that_tell_classes_apart_stay() -> None:
    assert respelled(("a", "A", "b", "B"), ("a", "B")) == {}
    assert respelled(("a", "A"), ("α",)) == {}


def test_a_number_is_one_answer_however_it_is_written() -> None:
    assert respelled(("1", "1.0", "2.0"), ("1",)) == {"1.0": "1", "2.0": "2"}
    assert respelled(("1", "1.0", "2"), ("1.0",)) == {"1": "1.0", "2": "2.0"}
    assert respelled(("1", "1.0", " 1", "2"), ()) == {"1.0": "1", " 1": "1"}
    assert respelled(("1.0", "2.0"), ("0",)) == {"1.0": "1", "2.0": "2"}  # a placeholder that shows how numbers are written
    assert respelled(("1", "1.0", "2.5"), ("?",)) == {"1.0": "1"}


def test_all_classes_are_known_where_they_are_stated() -> None:
    assert respelled(("cat", "dog", "Dog"), ("cat", "dog")) == {}
    assert respelled(("cat", "dog", "Dog"), ("cat", "dog"), complete=True) == {"Dog": "dog"}


def test_words_for_yes_and_no_are_indicators() -> None:
    assert indicators(["True", "FALSE", ""]) == {"True": "1", "FALSE": "0"}
    assert indicators(["yes"]) == {"yes": "1"}
    assert indicators(["0", "1.0"]) == indicators(["yes", "maybe"]) == indicators(["0.3", "1"]) == {}


TABLE = pd.DataFrame({"y": ["Dog", "dog", "Cat", "Dog", ""], "p": ["True", "False", "True", "", "True"]})
ONE = pd.DataFrame({"y": ["cat"]})
KINDS: list[tuple[Labels, pd.DataFrame, list[str]]] = [
    (OneOf("y"), ONE, ["dog", "dog", "cat", "dog", ""]),
    (OneOf("y", ("DOG", "CAT")), ONE, ["DOG", "DOG", "CAT", "DOG", ""]),
    (OneOf("y"), ONE.assign(x="1"), ["Dog", "dog", "Cat", "Dog", ""]),
    (Tags("y"), ONE.assign(y="cat dog"), ["dog", "dog", "cat", "dog", ""]),
    (Columns(column="y", prefix="is "), pd.DataFrame({"is DOG": ["0"], "is CAT": ["0"]}), ["DOG", "DOG", "CAT", "DOG", ""]),
    (Columns(("CAT",), column="y"), ONE, ["DOG", "DOG", "CAT", "DOG", ""]),
    (Columns(("p",)), pd.DataFrame({"p": ["0.5"]}), ["1", "0", "1", "", "1"]),
    (Grade("y", 3), ONE, ["Dog", "dog", "Cat", "Dog", ""]),
    (Numbers(("y",)), ONE, ["Dog", "dog", "Cat", "Dog", ""]),
]


@pytest.mark.parametrize(("labels", "sample", "cells"), KINDS)
def test_each_kind_of_labels_says_how_its_answers_are_written(labels: Labels, sample: pd.DataFrame, cells: list[str]) -> None:
    changes = labels.respelled(TABLE, sample)
    written = answer_spelling.written(TABLE, changes)
    assert list(written[labels.train_columns[0]]) == cells
    assert {name for name in TABLE if not written[name].equals(TABLE[name])} <= set(labels.train_columns)
    assert not any(labels.respelled(written, sample).values())  # once is enough


def test_notes_name_what_is_respelled_and_what_becomes_one() -> None:
    changes = OneOf("y").respelled(TABLE, ONE)
    assert answer_spelling.notes(TABLE, changes, "as the sample has them") == [
        "answers are written as the sample has them: 'Cat' as 'cat', 'Dog' as 'dog'",
        "'Dog' (2 rows) and 'dog' (1 rows) count as one answer, 'dog'",
    ]
    assert answer_spelling.notes(TABLE, {}, "alike") == []
