"""Unlabelled texts train beside the test rows (`--pseudo-rows all`), as the other run's same fold answers them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_extra_rows import EXTRA, MADE, ROWS, TEST, lay_out, refused, run, same, trained

import kit
from kit.inference import members
from kit.inference.loaded_run import load_run
from kit.inputs.texts import Texts
from kit.models import prediction
from kit.storage import frames, predictions

ALL = {"pseudo": "first", "pseudo_rows": "all"}


def lay_out_texts() -> Path:
    """The files of `lay_out`, of which `more.csv` holds the texts without answers."""
    data = lay_out("text", "")
    adapter = Path("shop.py")
    adapter.write_text(adapter.read_text().replace('Text("words")', 'Text("words", unlabelled="more.csv")'))
    more = pd.read_csv(data / "more.csv")
    more["words"] = [*more.words[1:], pd.read_csv(data / "train.csv").words[5]]
    more[["words"]].to_csv(data / "more.csv", index=False)
    return data


def test_unlabelled_texts_train_each_fold_as_the_same_fold_answers_them_but_no_copy_of_what_it_validates() -> None:
    data = lay_out_texts()
    first = run("first", seeds=2, inverse_penalty=0)
    made = run("made", final="both", **ALL)
    home = frames.read_folds(first.path)["train5"]
    counts = [ROWS // 2 + TEST + EXTRA - (k == home) for k in range(2)]
    assert [trained(made, k) for k in (0, 1, "refit")] == [*counts, ROWS + TEST + EXTRA]
    assert frames.read_by(made.path, "pseudo.csv").loc["unlabelled:11"].tolist() == [
        str(int(home != 0)),
        str(int(home != 1)),
        "1",
    ]
    texts, whole = Texts(list(pd.read_csv(data / "more.csv").words)), load_run(first)
    learned = predictions.load(made.path, "pseudo")
    for k in range(2):
        each = [members.model_of(whole, first.fold(one)) for one in first.record.parts if one.fold == k]
        assert len(each) == 2
        mean = np.mean([prediction.predict(model, texts, None, whole.config) for model in each], axis=0)
        np.testing.assert_allclose(learned[[f"fold{k} 0", f"fold{k} 1"]], mean, rtol=1e-6)
    kit.predict(made, "data")
    assert (made.path / "predict" / "test.csv").read_bytes() == (made.path / "test.csv").read_bytes()
    assert made.scores["pseudo"]["differences"] == ["seeds: 2 → 1", "final: folds → both", "inverse_penalty: auto → 0.5"]


def test_a_run_that_goes_on_learns_the_same_answers_from_a_damaged_file_too() -> None:
    lay_out_texts()
    run("first")
    whole, test = run("whole", **ALL), run("test", pseudo="first")
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
