"""Rows with some of their answers, from the files to the report; and folds whose score is not defined."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import kit
from kit.cli.app import main
from kit.cli.commands.run import show
from kit.config import Config
from kit.inference.blend import blend
from kit.inputs.text import Texts
from kit.labels import Columns
from kit.models import registry
from kit.pipeline.plan import planned
from kit.pipeline.search import tuning
from kit.pipeline.search.trials import Tuned
from kit.storage import frames, ledger

ADAPTER = '''"""A table with several answers."""
from kit.competition import Competition
from kit.inputs import Table
from kit.labels import Columns, Numbers
from kit.metrics import auc, mcrmse

competition = Competition(slug="mine", id="id", inputs=Table(), labels={labels}, metric={metric})
'''
QUICK: dict[str, Any] = {"folds": 2, "epochs": 8, "batch": 32, "width": 16, "trees": 20, "lr": 0.02, "quiet": True}
N, TEST = 300, 30


def folder(root: Path, labels: str, metric: str, y: pd.DataFrame, x: np.ndarray) -> Path:
    """An adapter, and a table whose numbers `x` [n, 2] tell the answers `y` (text) of all but the last TEST rows."""
    root.mkdir()
    (root / "mine.py").write_text(ADAPTER.format(labels=labels, metric=metric))
    table = pd.DataFrame(x.round(3), columns=["a", "b"]).assign(id=[f"r{i}" for i in range(len(x))])
    whole = table.join(y)
    frames.write_csv(root / "train.csv", whole[:-TEST], index=False)
    frames.write_csv(root / "test.csv", table[-TEST:], index=False)
    frames.write_csv(root / "sample_submission.csv", table[-TEST:][["id"]].assign(**dict.fromkeys(y, "0.5")), index=False)
    return root


def parts(kind: str, root: Path) -> tuple[Path, np.ndarray]:
    """Two answers, the second of which two fifths of the rows have; a row has none. And the true answers of all rows."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N + TEST, 2))
    true = np.c_[3 * x[:, 0] + 40, x[:, 1] * 2 - 5] if kind == "numbers" else (x > 0).astype(int)
    y = pd.DataFrame(true.round(3), columns=["u", "v"]).astype(str)
    y.loc[rng.random(len(y)) < 0.6, "v"] = ""
    y.loc[5] = ""
    labels, metric = ('Numbers(("u", "v"))', "mcrmse") if kind == "numbers" else ('Columns(("u", "v"))', "auc")
    return folder(root, labels, metric, y, x), true


@pytest.mark.parametrize("kind", ["numbers", "columns"])
@pytest.mark.parametrize("model", ["mlp", "tabm", "lightgbm"])
def test_a_rare_answer_is_learned_beside_a_full_one(kind: str, model: str, tmp_path: Path) -> None:
    data, true = parts(kind, tmp_path / "data")
    run = kit.run(str(data / "mine.py"), data, out=tmp_path / "run", model=model, **QUICK)
    assert len(run.oof) == N - 1 and any("1 rows have no answer" in note for note in run.info["notes"])
    assert any("have some of their answers only, and are learned from; missing: 'v' in" in note for note in run.info["notes"])
    test, right = run.test.to_numpy(), true[-TEST:]
    for j in range(2):  # as far as the hidden answers tell, both are learned: far better than by chance
        assert np.corrcoef(test[:, j], right[:, j])[0, 1] > 0.6
    whole = frames.read_by(run.path, "truth.csv")
    assert (whole["v"] == "").sum() > N / 2 and (whole["u"] != "").all()
    assert main(["report", str(run.path)]) == 0
    page = (run.path / "report.html").read_text()
    assert "not shown" not in page.lower() and "nan" not in page.lower().replace("nanum", "")
    assert "NaN" not in (run.path / "scores.json").read_text()


def test_complete_rows_do_not_change_with_the_labels_that_may_lack_some(tmp_path: Path) -> None:
    """A column without a gap is learned to the same bits, whatever the others lack, where columns have trees of their own."""
    data, _ = parts("columns", tmp_path / "data")
    run = kit.run(str(data / "mine.py"), data, out=tmp_path / "run", model="lightgbm", split="plain", **QUICK)
    alone = (data / "mine.py").read_text().replace('Columns(("u", "v"))', 'Columns(("u",))')
    (data / "mine.py").write_text(alone)
    sample = pd.read_csv(data / "sample_submission.csv", dtype=str)[["id", "u"]]
    frames.write_csv(data / "sample_submission.csv", sample, index=False)
    other = kit.run(str(data / "mine.py"), data, out=tmp_path / "other", model="lightgbm", split="plain", **QUICK)
    assert run.oof[["u"]].equals(other.oof[["u"]])


def test_ngrams_count_the_texts_that_have_an_answer() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(20)], 6)) for _ in range(60)]
    y = np.array([["w1" in text.split(), "w2" in text.split()] for text in texts], np.float32)
    y[20:, 1] = np.nan
    ratios = []
    for rows, answers in ((np.arange(60), y), (np.arange(20), y)):
        labels = Columns(("a", "b"))
        config = Config(model="ngrams", weights="")
        module: Any = registry.make(config, labels, Texts(texts), steps=1)
        module.learn(Texts(texts), rows, answers)
        ratios.append({int(c): row for c, row in zip(module.column, module.design.ratio, strict=True)})
    both = [column for column in ratios[0] if column in ratios[1]]
    assert both and all(ratios[0][one][1] == ratios[1][one][1] for one in both)  # of the rare answer: by its 20 texts alone
    assert all(torch.isfinite(row).all() for row in ratios[0].values())


RARE = {"folds": 4, "epochs": 3, "batch": 64, "width": 8, "quiet": True, "model": "mlp"}


def rare(root: Path, positives: int) -> Path:
    x = np.random.default_rng(5).normal(size=(N + TEST, 2))
    y = pd.DataFrame({"y": ["1" if i < positives else "0" for i in range(N + TEST)]})
    x[:positives] += 2
    return folder(root, 'Columns(("y",))', "auc", y, x)


def strict(path: Path) -> Any:
    """JSON as the standard has it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{path}: {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_folds_without_a_score_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = rare(tmp_path / "data", 2)
    runs = [
        kit.run(str(data / "mine.py"), data, out=tmp_path / name, **RARE, **knobs)
        for name, knobs in (("best", {"checkpoint": "best"}), ("early", {"early_stop": 1}))
    ]
    for run in runs:
        scores = strict(run.path / "scores.json")
        known = [one for one in scores["folds"] if one is not None]
        assert len(known) == 2 and scores["folds"].count(None) == 2
        assert scores["mean"] == pytest.approx(np.mean(known)) and scores["std"] == pytest.approx(np.std(known))
        (note,) = [note for note in run.info["notes"] if "auc is not defined" in note]
        for number, score in enumerate(scores["folds"]):
            part = strict(run.fold(number) / "fold.json")
            assert part["score"] == score and (score is not None or "best_epoch" not in part)  # the end is kept there
            assert score is not None or str(number) in note
    assert main(["report", str(run.path)]) == 0
    unscored = ", ".join(str(number) for number, score in enumerate(scores["folds"]) if score is None)
    assert f"auc is not defined for fold {unscored}." in (run.path / "report.html").read_text()
    capsys.readouterr()
    show(run, as_json=False)
    assert "2 of 4 have a score" in capsys.readouterr().out
    blended = blend(runs, out=tmp_path / "blend", data=data, quiet=True)
    assert strict(blended.path / "scores.json")["folds"].count(None) == 2
    for line in ledger.PLACE.read_text().splitlines():
        assert "NaN" not in line
    assert main(["ledger"]) == 0


def test_where_no_score_is_defined_a_run_ends_and_a_tuning_is_refused(tmp_path: Path) -> None:
    data = rare(tmp_path / "data", 0)
    run = kit.run(str(data / "mine.py"), data, out=tmp_path / "run", checkpoint="best", **RARE)
    scores = strict(run.path / "scores.json")
    assert scores["oof"] is scores["mean"] is scores["std"] is None and scores["folds"] == [None] * 4
    assert run.submission.exists() and any("there is no mean" in note for note in run.info["notes"])
    assert main(["report", str(run.path)]) == 0
    assert main(["ledger"]) == 0
    assert "paid" not in scores  # nothing can be told of a gain
    with pytest.raises(kit.Usage, match="auc is not defined on the validation rows of fold 0"):
        tune(data, tmp_path / "none")


def tune(data: Path, out: Path) -> Tuned:
    knobs = {key: value for key, value in RARE.items() if key != "quiet"}
    plan = planned(str(data / "mine.py"), data, "fast", knobs)
    return tuning.tune(plan, 2, "lr", kit.Run(out), fresh=False, quiet=True)


def test_trials_are_scored_where_a_score_is_defined(tmp_path: Path) -> None:
    found = tune(rare(tmp_path / "data", 1), tmp_path / "tuned")
    assert frames.read_folds(tmp_path / "tuned")["r0"] != 0  # the first fold has no positive row
    assert all(one.score is not None for one in found.trials) and found.gain is None  # no second fold can tell
