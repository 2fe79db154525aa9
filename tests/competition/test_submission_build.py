"""Building a submission: in the sample's columns, ids and order, whatever the order of the predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from kit.competition import submission
from kit.errors import BadData
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.storage import frames

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
KINDS: list[tuple[Labels, list[str]]] = [
    (OneOf("y", ("NA", "a,b", "c")), ["Answer"]),
    (Grade("y", 3), ["grade"]),
    (Columns(("p", "q", "r")), ["r", "p", "q"]),
    (Columns(("p", "q", "r"), exclusive=True), ["q", "r", "p"]),
    (Tags("y", ("a", "b", "c")), ["tags"]),
    (Numbers(("u", "v", "w")), ["w", "v", "u"]),
    (Numbers(("u", "v", "w"), whole=True), ["v", "w", "u"]),
]


def predicted(labels: Labels, ids: list[str], seed: int = 0) -> pd.DataFrame:
    p = np.random.default_rng(seed).random((len(ids), len(labels.columns))).astype(np.float32)
    values = p / p.sum(axis=1, keepdims=True) if getattr(labels, "exclusive", False) else p
    return pd.DataFrame(values, index=pd.Index(ids, dtype=object), columns=list(labels.columns))


def sample(ids: list[str], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(dict.fromkeys(columns, "0"), index=pd.Index(ids, dtype=object, name="Id"), columns=columns)


@pytest.mark.parametrize(("labels", "columns"), KINDS, ids=lambda one: type(one).__name__)
@given(ids=st.lists(TEXT, min_size=1, max_size=8, unique=True), random=st.randoms())
@settings(max_examples=15)
def test_what_is_built_is_the_samples_own_and_is_written_without_a_fault(
    labels: Labels, columns: list[str], ids: list[str], random: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked, path = sample(ids, columns), tmp_path_factory.getbasetemp() / "s.csv"
    predictions = predicted(labels, ids)
    shuffled = [*ids]
    random.shuffle(shuffled)
    built = submission.build(asked, predictions.loc[shuffled], labels)
    assert list(built.index) == ids
    assert list(built.columns) == columns
    decoded = labels.decode(predictions.to_numpy(), columns)
    assert all(list(built[name]) == list(decoded[name]) for name in columns)
    submission.write(path, asked, built, labels)
    assert submission.faults(path.read_bytes(), asked, labels) == []
    read = frames.read_csv(path.read_bytes(), "s.csv")
    assert list(read.columns) == ["Id", *columns]
    assert list(read["Id"]) == ids


def test_predictions_for_more_ids_than_asked_serve_and_missing_ones_are_named() -> None:
    labels = KINDS[0][0]
    predictions = predicted(labels, ["1", "01", "001"])
    assert list(submission.build(sample(["001", "1"], ["y"]), predictions, labels).index) == ["001", "1"]
    with pytest.raises(BadData, match="2 ids of the sample have no prediction, the first '0001'"):
        submission.build(sample(["1", "0001", "1.0"], ["y"]), predictions, labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1.5])
def test_a_prediction_that_is_none_is_never_written(value: float, tmp_path: Path) -> None:
    labels, ids = Columns(("p",)), ["a", "b"]
    asked = sample(ids, ["p"])
    (tmp_path / "s.csv").write_text("the old one")
    predictions = predicted(labels, ids)
    predictions.iloc[1, 0] = value
    with pytest.raises(BadData, match="line 3, id 'b', column 'p'"):
        submission.write(tmp_path / "s.csv", asked, submission.build(asked, predictions, labels), labels)
    assert (tmp_path / "s.csv").read_text() == "the old one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_sample_that_asks_for_other_columns_is_refused() -> None:
    for labels, columns in KINDS:
        with pytest.raises(BadData, match="the sample submission asks for"):
            submission.build(sample(["1"], [*columns, "x"]), predicted(labels, ["1"]), labels)
