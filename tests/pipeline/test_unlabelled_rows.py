"""Unlabelled texts train beside the test rows (`--pseudo-rows all`), as the other run's same fold answers them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_extra_rows import EXTRA, MADE, ROWS, TEST, lay_out, refused, run, same, trained

import kit
from kit.inference import members
from kit.inference.loaded_run import load_run
from kit.inputs.cells import Cells
from kit.inputs.mixed.rows import MixedRows
from kit.inputs.texts import Texts
from kit.models import prediction
from kit.storage import frames, predictions

ALL = {"pseudo": "first", "pseudo_rows": "all", "pseudo_share": 1}
COLUMNS = {"text": [], "texts, table": ["n", "m", "who", "day"]}


def lay_out_texts(kind: str = "text") -> Path:
    """The files of `lay_out`, of which `more.csv` holds the texts (and columns) without answers."""
    data = lay_out(kind, "")
    adapter = Path("shop.py")
    adapter.write_text(adapter.read_text().replace('Text("words")', 'Text("words", unlabelled="more.csv")'))
    more = pd.read_csv(data / "more.csv")
    more["words"] = [*more.words[1:], pd.read_csv(data / "train.csv").words[5]]
    more[[*COLUMNS[kind], "words"]].to_csv(data / "more.csv", index=False)
    return data


@pytest.mark.parametrize(("kind", "penalty", "shown"), [("text", 0, "auto"), ("texts, table", 2, "2")])
def test_unlabelled_texts_train_each_fold_as_the_same_fold_answers_them_but_no_copy_of_what_it_validates(
    kind: str, penalty: float, shown: str
) -> None:
    data = lay_out_texts(kind)
    first = run("first", seeds=2, inverse_penalty=penalty)
    made = run("made", final="both", **ALL)
    home = frames.read_folds(first.path)["train5"]
    counts = [ROWS // 2 + TEST + EXTRA - (k == home) for k in range(2)]
    assert [trained(made, k) for k in (0, 1, "refit")] == [*counts, ROWS + TEST + EXTRA]
    assert frames.read_by(made.path, "pseudo.csv").loc["unlabelled:11"].tolist() == [
        str(int(home != 0)),
        str(int(home != 1)),
        "1",
    ]
    table, whole = pd.read_csv(data / "more.csv"), load_run(first)
    texts: Any = Texts(list(table.words))
    rows = MixedRows(texts, Cells(table[COLUMNS[kind]])) if COLUMNS[kind] else texts
    learned = predictions.load(made.path, "pseudo")
    for k in range(2):
        each = [members.model_of(whole, first.fold(one)) for one in first.record.parts if one.fold == k]
        assert len(each) == 2
        mean = np.mean([prediction.predict(model, rows, None, whole.config) for model in each], axis=0)
        np.testing.assert_allclose(learned[[f"fold{k} 0", f"fold{k} 1"]], mean, rtol=1e-6)
    kit.predict(made, "data")
    assert (made.path / "predict" / "test.csv").read_bytes() == (made.path / "test.csv").read_bytes()
    assert made.scores["pseudo"]["differences"] == ["seeds: 2 → 1", "final: folds → both", f"inverse_penalty: {shown} → 0.5"]


@pytest.mark.parametrize("kind", [*COLUMNS])
def test_a_run_that_goes_on_learns_the_same_answers_from_a_damaged_file_too(kind: str) -> None:
    lay_out_texts(kind)
    run("first")
    whole, test = run("whole", **ALL), run("test", pseudo="first", pseudo_share=1)
    run("half", only_fold=[0], **ALL)
    kept = Path("half/pseudo.npz").read_bytes()
    Path("half/pseudo.npz").write_bytes(kept[: len(kept) // 2])
    assert same(whole, run("half", **ALL), (*MADE, "pseudo.csv", "pseudo.npz"))
    assert (test.path / "oof.csv").read_bytes() != (whole.path / "oof.csv").read_bytes()
    study = kit.study("shop.py", "data", out="study", quiet=True, **ALL)
    assert list(next(iter(study)).train_ids[-EXTRA + 1 :])[-1].startswith("unlabelled:")


def test_where_there_are_none_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    data = lay_out_texts()
    (data / "more.csv").unlink()
    run("first")
    code, said = refused(capsys, "--pseudo", "first", "--pseudo-rows", "all")
    assert (code, "--pseudo-rows all: there is no more.csv. Leave it out." in said) == (2, True), said
    lay_out("table", "")
    run("table")
    code, said = refused(capsys, "--pseudo", "table", "--pseudo-rows", "all", "--fresh")
    assert (code, "shop has no table of texts without answers" in said) == (2, True), said


def test_numbers_of_unlabelled_rows_are_read_as_the_tables_write_them() -> None:
    data = lay_out_texts("texts, table")
    plain, answers = run("first"), run("plain", **ALL)
    for name in ("train", "test", "more"):
        table = pd.read_csv(data / f"{name}.csv", dtype=str)
        table.assign(n=[f"{float(one) * 1000:,.14f} m" for one in table.n]).to_csv(data / f"{name}.csv", index=False)
    Path("shop.py").write_text(Path("shop.py").read_text().replace('Table(numbers=("n", "m"))', "Table()"))
    run("second")
    other = run("other", **{**ALL, "pseudo": "second"})
    np.testing.assert_allclose(other.test, answers.test, atol=1e-5)
    learned = [predictions.load(one.path, "pseudo") for one in (answers, other)]
    np.testing.assert_allclose(*learned, atol=1e-5)
    assert plain.scores["oof"] == kit.load("second").scores["oof"]


def test_columns_that_unlabelled_rows_lack_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    data = lay_out_texts("texts, table")
    run("first")
    whole = pd.read_csv(data / "more.csv")
    for columns, said in (
        (["words", "n"], "more.csv has no column 'm', 'who', 'day', which train and test have"),
        (["n"], "no column 'words'"),
    ):
        whole[columns].to_csv(data / "more.csv", index=False)
        run("first", fresh=True)
        code, message = refused(capsys, "--pseudo", "first", "--pseudo-rows", "all", "--fresh")
        assert code in (2, 65) and said in message and "\n" not in message, message


def test_columns_made_of_ids_that_unlabelled_rows_do_not_have_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out_texts("texts, table")
    Path("shop.py").write_text(Path("shop.py").read_text().replace('numbers=("n", "m")', 'id_parts="e"'))
    run("first")
    _, message = refused(capsys, "--pseudo", "first", "--pseudo-rows", "all")
    assert "more.csv has no column 'id part 1', which train and test have" in message
