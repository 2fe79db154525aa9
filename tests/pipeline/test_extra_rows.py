"""Extra rows: they train and never validate; none gives an answer away; with weight 0 the bytes are those without them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import kit
from kit.cli import app
from kit.kaggle import bundle, kernel
from kit.labels import Numbers, OneOf
from kit.models.weighting import shares, weighted
from kit.storage import frames, predictions

ADAPTER = """
from kit.competition import Competition
from kit.config import Config
from kit.inputs import Images, Table, Text
from kit.labels import Numbers, OneOf
from kit.metrics import accuracy, rmse
from kit import FoldModule, MLPModule

class Mine(MLPModule):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx)

modules = {{"mine": Mine}}
competition = Competition("shop", id="id", inputs={inputs}, labels=OneOf("sold", ("0", "1")), metric=accuracy{facts})
presets = {{"fast": Config(model={model!r}, epochs=1, folds=2, batch=16, width=8)}}
"""
TABLE, PICTURES = 'Table(numbers=("n", "m"))', 'Images("pictures/{{id}}.png", alike=False)'
INPUTS = {"table": TABLE, "text": 'Text("words")', "images": PICTURES, "texts, table": f'(Text("words"), {TABLE})',
          "images, table": f"({PICTURES}, {TABLE})"}  # fmt: skip
MODELS = {"table": "mlp", "text": "ngrams", "images": "convnet", "texts, table": "ngrams", "images, table": "convnet"}
ROWS, EXTRA, TEST = 42, 12, 6
MADE = ("oof.csv", "test.csv", "folds.csv", "truth.csv", "submission.csv")
WITH = ', extra="more.csv"'


def rows_of(name: str, count: int, seed: int) -> pd.DataFrame:
    """Rows in which the answer is the sign of `n`, as a table and as words."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": [f"{name}{i}" for i in range(count)], "n": rng.normal(size=count), "m": rng.normal(size=count)})
    words = [
        f"{'good' if n > 0 else 'bad'} {i}{name} w{int(m * 4)}" for i, (n, m) in enumerate(zip(table.n, table.m, strict=True))
    ]
    return table.assign(words=words, who=rng.integers(0, 9, count), day=rng.permutation(count), sold=(table.n > 0).astype(int))


def lay_out(kind: str = "table", facts: str = WITH, extra: pd.DataFrame | None = None, model: str = "") -> Path:
    """An adapter `shop.py` and its files in `data`: rows of train, extra and test, no two of them alike."""
    data = Path("data")
    data.mkdir(exist_ok=True)
    write_adapter(kind, facts, model)
    tables = {"train": rows_of("train", ROWS, 0), "more": rows_of("more", EXTRA, 1), "test": rows_of("test", TEST, 2)}
    tables["more"] = tables["more"] if extra is None else extra
    for name, table in tables.items():
        table.to_csv(data / f"{name}.csv", index=False)
        if kind.startswith("images"):
            (data / "pictures").mkdir(exist_ok=True)
            for i, row in enumerate(table.itertuples()):
                noise = np.random.default_rng([len(table), i]).integers(0, 60, (8, 8, 3))
                Image.fromarray((noise + 150 * row.sold).astype(np.uint8)).save(data / "pictures" / f"{row.id}.png")
    tables["test"][["id"]].assign(sold=0).to_csv(data / "sample_submission.csv", index=False)
    return data


def write_adapter(kind: str, facts: str, model: str = "") -> None:
    inputs = INPUTS[kind].format()
    Path("shop.py").write_text(ADAPTER.format(inputs=inputs, facts=facts, model=model or MODELS[kind]))


def run(name: str, only_fold: list[int] | None = None, **knobs: object) -> kit.Run:
    return kit.run("shop.py", "data", out=name, only_fold=only_fold, quiet=True, **knobs)


def only_dealt(name: str, **knobs: object) -> kit.Run:
    """A run of which the folds are dealt, and nothing is trained."""
    return kit.study("shop.py", "data", out=name, quiet=True, **knobs).run


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code of `kit run` with these flags, and the first line of its message."""
    code = app.main(["run", "shop.py", "--data", "data", "--out", "refused", "--quiet", *words])
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    return code, said


def same(one: kit.Run, other: kit.Run, names: tuple[str, ...] = MADE) -> bool:
    return all((one.path / name).read_bytes() == (other.path / name).read_bytes() for name in names)


def trained(made: kit.Run, fold: int | str) -> int:
    """How many rows a fold, or the refit, was trained on."""
    folder = made.path / (fold if isinstance(fold, str) else f"fold{fold}")
    return int(json.loads((folder / "fold.json").read_text())["rows"])


def trains(made: kit.Run) -> pd.DataFrame:
    return frames.read_by(made.path, "extra.csv").astype(int)


@pytest.mark.parametrize("kind", ["table", "images"])
def test_extra_rows_train_every_fold_and_stand_in_no_file_of_the_training_rows(kind: str) -> None:
    lay_out(kind)
    made = run("made", final="both")
    ids = [f"train{i}" for i in range(ROWS)]
    assert list(made.oof.index) == ids
    assert all(list(frames.read_by(made.path, name).index) == ids for name in ("truth.csv", "folds.csv"))
    assert sum(trained(made, k) for k in range(2)) == ROWS + 2 * EXTRA
    assert trained(made, "refit") == ROWS + EXTRA
    assert (trains(made) == 1).all(axis=None)
    assert made.record.extra_rows == EXTRA
    assert made.scores["rows"]["train"] == ROWS
    kit.predict(made, "data")
    assert (made.path / "predict" / "test.csv").read_bytes() == (made.path / "test.csv").read_bytes()


@pytest.mark.parametrize("kind", ["table", "text"])
def test_with_weight_zero_the_bytes_are_those_of_a_run_without_them(kind: str) -> None:
    lay_out(kind)
    zero, one = run("zero", extra_weight=0), run("one")
    write_adapter(kind, "")
    without = run("without")
    assert same(zero, without)
    assert not same(one, without, ("oof.csv",))
    assert same(one, without, ("folds.csv", "truth.csv"))  # which rows there are more of does not move the others
    assert "extra.csv" not in [path.name for path in zero.path.iterdir()]


def test_runs_with_and_without_extra_rows_blend() -> None:
    lay_out()
    one, other = run("one"), run("zero", extra_weight=0, model="lightgbm", trees=10)
    assert kit.load(one.path).record.data == other.record.data
    assert app.main(["blend", "one", "zero", "--out", "both", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("kind", "model", "knobs"),
    [
        ("table", "mlp", {}),
        ("table", "tabm", {}),
        ("table", "lightgbm", {"trees": 10}),
        ("text", "ngrams", {"inverse_penalty": "auto"}),
        ("images", "convnet", {"augment": "mixup"}),
        ("images", "convnet", {"strategy": "probe"}),
    ],
)
def test_every_model_heeds_the_weight(kind: str, model: str, knobs: dict[str, object]) -> None:
    lay_out(kind, model=model)
    weighed = [run(f"run{w}", extra_weight=w, only_fold=[0], **knobs) for w in (1.0, 0.25)]
    full, light = (predictions.load(one.fold(0), "oof") for one in weighed)
    assert not full.equals(light)


def test_a_weight_that_is_nearly_nothing_is_nearly_none_and_two_equal_rows_are_one_of_weight_two() -> None:
    torch.manual_seed(0)
    logits, y = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = OneOf("c", ("a", "b", "c")).criterion
    weights = torch.tensor([1.0, 1, 1, 2, 2, 2])
    doubled = loss(torch.cat([logits, logits[3:]]), torch.cat([y, y[3:]]))
    torch.testing.assert_close(weighted(loss, logits, y, shares(weights, torch.arange(6))), doubled)
    torch.testing.assert_close(weighted(loss, logits, y, torch.tensor([2.0, 2, 2, 0, 0, 0])), loss(logits[:3], y[:3]))
    numbers = Numbers(("n",)).criterion
    assert weighted(numbers, logits[:, :1], logits[:, 1:2], None) == numbers(logits[:, :1], logits[:, 1:2])


@pytest.mark.parametrize("kind", INPUTS)
def test_a_twin_of_a_validation_row_does_not_train_that_fold_and_one_of_a_test_row_none(kind: str) -> None:
    data = lay_out(kind)
    train, test, more = (pd.read_csv(data / f"{name}.csv") for name in ("train", "test", "more"))
    copied = pd.concat([train.iloc[[5, 17]], test.iloc[[3]]]).assign(id=["a", "b", "c"])
    pd.concat([more, copied]).to_csv(data / "more.csv", index=False)
    if kind.startswith("images"):
        for new, old in (("a", "train5"), ("b", "train17"), ("c", "test3")):
            (data / "pictures" / f"{new}.png").write_bytes((data / "pictures" / f"{old}.png").read_bytes())
    made = only_dealt("made")
    fold = frames.read_folds(made.path)
    found = trains(made)
    for one, twin in (("a", "train5"), ("b", "train17")):
        assert [found.loc[one, f"fold{k}"] for k in range(2)] == [int(k != fold[twin]) for k in range(2)]
        assert found.loc[one, "refit"] == 1
    assert found.loc["c"].sum() == 0
    assert (found.drop(index=["a", "b", "c"]) == 1).all(axis=None)
    for part in kit.study("shop.py", "data", out="made", quiet=True, resume=True):  # as they are kept
        assert set(part.train_ids) == {*fold.index[fold != part.number], *found.index[found[f"fold{part.number}"] == 1]}
    notes = "\n".join(made.record.notes)
    assert "15 extra rows (more.csv) train, and never validate" in notes
    assert "1 extra rows repeat test rows, whose answers they give: left out (ids 'c')" in notes
    assert "2 extra rows repeat training rows: each trains only where its twin trains" in notes


def test_extra_rows_of_a_group_do_not_train_where_it_validates() -> None:
    lay_out(facts=WITH + ', group="who"')
    made = only_dealt("made")
    train, more = (pd.read_csv(f"data/{name}.csv").set_index("id") for name in ("train", "more"))
    fold = frames.read_folds(made.path)
    home = {who: set(fold[train.index[train.who == who]]) for who in train.who}
    for row_id, row in trains(made).iterrows():
        assert all(row[f"fold{k}"] == (k not in home.get(more.who[row_id], set())) for k in range(2))


def test_by_time_only_older_extra_rows_train_and_a_gap_holds_for_them() -> None:
    lay_out(facts=WITH + ', time="day"')
    train, more = (pd.read_csv(f"data/{name}.csv").set_index("id") for name in ("train", "more"))
    more.assign(day=np.arange(EXTRA) * 5 - 2).to_csv("data/more.csv")
    more = pd.read_csv("data/more.csv").set_index("id")
    for name, gap in (("plain", 0), ("purged", 6)):
        made = only_dealt(name, gap=gap)
        fold = frames.read_folds(made.path)
        for k in range(2):
            begin = train.day[fold.index[fold == k]].min()
            assert (trains(made)[f"fold{k}"] == (begin - more.day > gap).astype(int)).all()
        assert (trains(made)["refit"] == 1).all()


def test_a_run_with_extra_rows_resumes_and_trains_side_by_side_to_the_same_bytes(one_thread: None) -> None:
    lay_out("text")
    first = run("first", jobs=1, extra_weight=0.5)
    run("half", only_fold=[1], extra_weight=0.5)
    assert same(first, run("half", extra_weight=0.5), (*MADE, "extra.csv"))
    assert same(first, run("beside", jobs=2, extra_weight=0.5), (*MADE, "extra.csv"))


def test_rows_without_ids_are_counted_and_those_without_an_answer_left_out() -> None:
    more = rows_of("more", EXTRA, 1).astype({"sold": object})
    more.loc[[0, 1], "sold"] = ""
    lay_out(extra=more)
    made = only_dealt("made")
    assert made.record.extra_rows == EXTRA - 2
    assert any("more.csv" in note and "2" in note for note in made.record.notes)
    for name in ("train", "more", "test"):
        pd.read_csv(f"data/{name}.csv").drop(columns="id").to_csv(f"data/{name}.csv", index=False)
    pd.DataFrame({"id": range(1, TEST + 1), "sold": 0}).to_csv("data/sample_submission.csv", index=False)
    counted = only_dealt("counted")
    assert list(trains(counted).index[:2]) == ["extra-3", "extra-4"]


FAULTS = {
    "training ids": (lambda table: table.assign(id=["train3", *table.id[1:]]), "1 ids are those of training rows ('train3')"),
    "test ids": (lambda table: table.assign(id=["test3", *table.id[1:]]), "1 ids are those of test rows ('test3')"),
    "doubled": (lambda table: table.assign(id=["more1", *table.id[1:]]), "have an id that another row has"),
    "no feature": (lambda table: table.drop(columns="n"), "no column 'n'"),
    "no answer column": (lambda table: table.drop(columns="sold"), "no column 'sold'"),
    "another class": (lambda table: table.assign(sold=7), "'7'"),
    "no answers": (lambda table: table.assign(sold=""), "more.csv: no extra rows with an answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_extra_rows_that_cannot_be_are_refused(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, words = FAULTS[fault]
    lay_out(extra=spoil(rows_of("more", EXTRA, 1)))
    code, said = refused(capsys)
    assert (code, words in said) == (65, True), said


def test_a_missing_table_and_a_module_that_takes_no_weights_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    code, said = refused(capsys, "--model", "mine", "--extra-weight", "0.5")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "Mine has a training_step of its own" in said
    assert run("guest", model="mine").record.extra_rows == EXTRA
    Path("data/more.csv").unlink()
    code, said = refused(capsys)
    assert (code, "more.csv: no such file" in said) == (65, True)


def test_a_kernel_that_trains_brings_the_extra_rows_and_the_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    data = lay_out()
    pd.DataFrame({"id": [f"train{i}" for i in range(ROWS)], "fold": np.arange(ROWS) % 2}).to_csv("team.csv", index=False)
    made = run("made", folds_from="team.csv")
    built = kernel.build("shop.py", made, "train")
    assert built.settings["extra"] is True
    there = bundle.find(built.settings["attached"], built.folder)
    (data / "more.csv").unlink()  # Kaggle mounts the competition's own files
    monkeypatch.setenv("KIT_EXTRA", str(there / "extra"))
    again = run("again", folds_from=str(there / built.settings["knobs"]["folds_from"].removeprefix("@")))
    assert same(made, again, (*MADE, "extra.csv"))
    assert kernel.build("shop.py", knobs={"extra_weight": 0.0}).settings["extra"] is False


def test_a_study_tells_which_extra_rows_a_fold_trains_and_its_batches_their_weights() -> None:
    lay_out()
    study = kit.study("shop.py", "data", out="study", quiet=True, extra_weight=0.5)
    fold = next(iter(study))
    assert len(fold.train_ids) == ROWS // 2 + EXTRA
    assert list(fold.train_ids[-EXTRA:]) == [f"more{i}" for i in range(EXTRA)]
    batches = list(fold.data.train_dataloader())
    rows, weights = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("rows", "weights"))
    assert set(rows.tolist()) == {*fold.fit.train.tolist()}
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    assert set((weights / weights.max()).tolist()) == {1.0, 0.5}
    assert all((weights[rows >= ROWS] == weights.min()).tolist())


def test_check_audits_the_extra_rows(capsys: pytest.CaptureFixture[str]) -> None:
    data = lay_out()
    train, more = (pd.read_csv(data / f"{name}.csv") for name in ("train", "more"))
    pd.concat([more, train.iloc[[5]].assign(id="a", sold=1 - train.sold[5])]).to_csv(data / "more.csv", index=False)
    app.main(["check", "shop.py", "--data", "data"])
    said = capsys.readouterr().out
    assert "13 extra rows with an answer in more.csv" in said
    assert "1 extra rows repeat training rows" in said
    assert "1 of these have another answer than their twin: ids 'a'" in said


@pytest.mark.parametrize("facts", [WITH, WITH + ', group="who"'])
def test_with_repeats_extra_rows_train_in_each_as_in_the_run_that_deals_so(facts: str) -> None:
    data = lay_out(facts=facts)
    train, more = (pd.read_csv(data / f"{name}.csv") for name in ("train", "more"))
    pd.concat([more, train.iloc[[5, 17]].assign(id=["a", "b"])]).to_csv(data / "more.csv", index=False)
    knobs = {"final": "both", "extra_weight": 0.5}
    alone = [run(f"alone{seed}", seed=seed, **knobs) for seed in range(2)]
    both = run("both", repeats=2, **knobs)
    parts = [[f"fold{k}{after}" for k in range(2)] for after in ("", "-repeat1")]
    for one, names in zip(alone, parts, strict=True):
        found = trains(both)[[*names, "refit"]]
        assert np.array_equal(found, trains(one)) and not found.all(axis=None)
        assert [trained(both, name) for name in names] == [trained(one, k) for k in range(2)]
    mean = (alone[0].oof.astype(np.float64) + alone[1].oof) / 2
    assert both.oof.equals(mean.astype(np.float32))
    assert list(both.oof.index) == [*train.id]


def test_a_run_with_extra_rows_that_gets_another_repeat_ends_as_if_it_had_it_from_the_first() -> None:
    lay_out()
    whole = run("whole", repeats=2)
    grown = run("grown")
    first = (grown.fold(0) / "fold.json").read_bytes()
    run("grown", repeats=2, only_fold=[1])
    assert same(whole, run("grown", repeats=2), (*MADE, "extra.csv"))
    assert (grown.fold(0) / "fold.json").read_bytes() == first
