"""Mixed inputs: pictures or texts together with columns of the same row, in one module, learned inside the fold alone."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import kit
from kit.cli import app
from kit.config import Config
from kit.inputs import Images, Pixels, Table, Text
from kit.inputs.cells import Cells
from kit.inputs.mixed.inputs import joined
from kit.inputs.mixed.rows import MixedRows
from kit.inputs.texts import Texts
from kit.labels import OneOf
from kit.models import registry
from kit.models.batch import Batch
from kit.models.mixed import readers
from kit.storage import frames
from kit.training.callbacks import Seeds, Snapshots

ADAPTER = """
import kit
from kit.metrics import accuracy

competition = kit.Competition("shop", id="id", inputs={inputs}, labels=kit.OneOf("sold", ("0", "1")), metric=accuracy)
presets = {{"fast": kit.Config({knobs})}}
"""
PICTURES = 'kit.Images("pictures/{id}.png", alike=False)'
INPUTS = {
    "pictures": (
        f'({PICTURES}, kit.Table(without=("words",)))',
        'model="convnet", width=8, epochs=8, batch=16, lr=2e-2, folds=2',
    ),
    "texts": (
        '(kit.Text("words"), kit.Table())',
        'model="ngrams", width=32, epochs=20, lr=3e-2, batch=32, vectors=8, iterations=5, folds=2',
    ),
    "columns": ('kit.Table(without=("words",))', 'model="mlp", width=16, epochs=6, lr=2e-2, folds=2'),
    "pictures alone": (PICTURES, 'model="convnet", width=8, epochs=3, batch=16, lr=2e-2, folds=2'),
    "texts alone": ('kit.Text("words")', 'model="ngrams", folds=2'),
}
BOTH = ("pictures", "texts")
FILLERS = ("the", "film", "was", "and", "a", "story", "of", "who", "travel")


def rows_of(split: str, count: int) -> pd.DataFrame:
    """Rows whose answer is whether the picture is dark, or the word bad, turned round by night: no part tells it alone."""
    rng = np.random.default_rng(len(split))
    bright, light = rng.integers(0, 2, count), rng.choice(["day", "night"], count)
    words = [" ".join([*rng.choice(FILLERS, 5), "good" if one else "bad", f"w{rng.integers(999)}"]) for one in bright]
    ids = [f"{split}{i}" for i in range(count)]
    table = {"id": ids, "light": light, "n": rng.normal(size=count).round(3), "words": words}
    return pd.DataFrame({**table, "sold": bright ^ (light == "night"), "bright": bright})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "pictures").mkdir()
    for split, count in (("train", 200), ("test", 40)):
        table = rows_of(split, count)
        for i, row in enumerate(table.itertuples()):
            noise = np.random.default_rng([count, i]).integers(0, 60, (12, 12, 3))
            Image.fromarray((noise + 150 * row.bright).astype(np.uint8)).save(folder / "pictures" / f"{row.id}.png")
        answers = table[["id", "sold"]]
        table = table.drop(columns="bright")
        (table if split == "train" else table.drop(columns="sold")).to_csv(folder / f"{split}.csv", index=False)
    answers.to_csv(folder / "solution.csv", index=False)
    answers.assign(sold=0).to_csv(folder / "sample_submission.csv", index=False)
    return folder


def adapter(kind: str, folder: Path = Path()) -> str:
    """The path of an adapter on these inputs."""
    inputs, knobs = INPUTS[kind]
    path = folder / f"{kind.replace(' ', '_')}.py"
    path.write_text(ADAPTER.format(inputs=inputs, knobs=knobs))
    return str(path)


@pytest.fixture(scope="module", params=BOTH)
def finished(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, kit.Run]:
    """The kind, and its finished run. Look, don't touch."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, kit.run(adapter(request.param, folder), data, out=folder / "run", quiet=True)


def test_both_parts_tell_what_neither_tells_alone(finished: tuple[str, kit.Run], data: Path) -> None:
    kind, run = finished
    alone = [
        kit.run(adapter(one), data, out=one, quiet=True).scores["extra"]["held_out"] for one in ("columns", f"{kind} alone")
    ]
    assert run.scores["oof"] > 0.9
    assert run.scores["extra"]["held_out"] > 0.9
    assert max(alone) < 0.75


def test_predictions_from_the_checkpoints_are_the_runs_own(finished: tuple[str, kit.Run], data: Path) -> None:
    kind, run = finished
    kit.predict(run.path, data, out="again")
    assert Path("again/test.csv").read_bytes() == (run.path / "test.csv").read_bytes()
    assert Path("again/submission.csv").read_bytes() == (run.path / "submission.csv").read_bytes()
    if kind == "texts":
        rows = pd.read_csv(data / "test.csv").iloc[[7, 3]]
        own = frames.read_by(run.path, "test.csv").astype(float).loc[rows.id]
        np.testing.assert_allclose(kit.load(run.path).predict(rows).to_numpy(), own.to_numpy(), atol=1e-5)


def test_a_fold_goes_on_in_mid_epoch_to_the_same_bytes(
    finished: tuple[str, kit.Run], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, whole = finished
    healthy = Seeds.on_train_batch_start

    def faulty(self: Seeds, trainer: Any, module: Any, batch: Batch, index: int) -> None:
        healthy(self, trainer, module, batch, index)
        if (self.fold.number, batch.epoch, batch.step) == (1, 3, 2):
            raise RuntimeError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(Seeds, "on_train_batch_start", faulty)
        patch.setattr(Snapshots, "pause", 0.05)
        with pytest.raises(RuntimeError, match="cut"):
            kit.run(adapter(kind), data, out="run", quiet=True, only_fold=[1])
    run = kit.run(adapter(kind), data, out="run", quiet=True, only_fold=[1])
    for name in ("oof.npz", "test.npz"):
        assert (run.fold(1) / name).read_bytes() == (whole.fold(1) / name).read_bytes()


# --- what a fold learns, it learns from its training rows

LABELS = OneOf("sold", ("0", "1"))
CONFIG = {
    "pictures": Config(model="convnet", width=4, batch=8, devices="cpu", precision="fp32", layout="contiguous"),
    "texts": Config(model="ngrams", width=8, batch=8, devices="cpu", precision="fp32", iterations=4),
}


def loaded(kind: str, count: int = 24, seed: int = 0) -> MixedRows:
    """Rows as the inputs load them."""
    rng = np.random.default_rng(seed)
    table = rows_of("some", count)
    cells = Cells(table.assign(n=(rng.normal(size=count) * (seed + 1)).astype(str))[["light", "n"]])
    if kind == "texts":
        return MixedRows(Texts([f"{text} s{seed}" for text in table.words]), cells)
    return MixedRows(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), cells)


def learned(kind: str, x: MixedRows, rows: np.ndarray, y: np.ndarray) -> Any:
    torch.manual_seed(0)
    module = registry.make(CONFIG[kind], LABELS, x, steps=9)
    module.learn(x, rows, y)
    return module


@pytest.mark.parametrize("kind", BOTH)
def test_nothing_is_learned_from_rows_that_the_fold_does_not_train_on(kind: str) -> None:
    rows, y = np.arange(16), np.arange(24) % 2
    first, other = loaded(kind), loaded(kind, seed=1)
    both = MixedRows(first.first[:16], first.table[:16]) if kind == "pictures" else first[slice(0, 16)]
    changed = MixedRows(
        np.concatenate([both.first, other.first[16:]]) if kind == "pictures" else both.first + Texts(other.first[16:]),
        both.table + other.table[16:],
    )
    turned = np.where(np.arange(24) < 16, y, 1 - y)
    one, two = (learned(kind, x, rows, own).eval() for x, own in ((first, y), (changed, turned)))
    with torch.inference_mode():
        given = [module.predict_step(module.gather(both, rows)) for module in (one, two)]
    torch.testing.assert_close(*given)
    torch.testing.assert_close(one.centre, two.centre)
    assert one.encoding == two.encoding
    if kind == "pictures":
        torch.testing.assert_close(one.mean, two.mean)
    else:
        torch.testing.assert_close(one.unseen, two.unseen)


def test_a_text_is_read_for_training_by_models_that_have_not_seen_its_answer() -> None:
    x, rows, y = loaded("texts").first, np.arange(20), np.arange(24) % 2
    turned = y.copy()
    turned[7] = 1 - y[7]
    before, after = (readers.unseen(CONFIG["texts"], LABELS.bind(rows_of("some", 24)), x, rows, own) for own in (y, turned))
    np.testing.assert_array_equal(before[7], after[7])
    assert (before != after).any() and not before[20:].any()


def test_no_row_is_read_by_a_model_that_has_seen_its_group_or_its_text() -> None:
    table, rows, y = rows_of("some", 24), np.arange(24), np.arange(24) % 2
    texts = Texts([*table.words[:20], *table.words[:4]])
    groups = readers.groups_of(texts, np.r_[np.arange(18), [0] * 6])
    assert groups is not None and len({groups[i] for i in (0, 1, 2, 3, 18, 19, 20, 21, 22, 23)}) == 1
    turned = y.copy()
    turned[[1, 19, 22]] = 1 - y[[1, 19, 22]]
    before, after = (readers.unseen(CONFIG["texts"], LABELS.bind(table), texts, rows, own, groups) for own in (y, turned))
    np.testing.assert_array_equal(before[[0, 2, 18, 23]], after[[0, 2, 18, 23]])
    assert (before != after).any()


def test_a_fit_begins_as_that_of_the_pictures_alone() -> None:
    x, y = loaded("pictures"), np.arange(24) % 2
    mixed = learned("pictures", x, np.arange(24), y).eval()
    torch.manual_seed(0)
    alone = registry.make(CONFIG["pictures"], LABELS, x.first, steps=9)
    alone.learn(x.first, np.arange(24), y)
    with torch.inference_mode():
        given = [
            module.predict_step(module.gather(rows, np.arange(9))) for module, rows in ((mixed, x), (alone.eval(), x.first))
        ]
    torch.testing.assert_close(*given)


def test_columns_are_mixed_as_pictures_are() -> None:
    module = learned("pictures", loaded("pictures"), np.arange(24), np.arange(24) % 2).eval()
    torch.nn.init.normal_(module.net.columns.hidden[-1].weight)
    batch = module.gather(loaded("pictures"), np.arange(6))
    other = torch.tensor([3, 4, 5, 0, 1, 2])
    with torch.inference_mode():
        own, mixed = module.logits(batch.x), module.logits(batch.x | {"other": other, "share": 1.0})
        swapped = module.logits(batch.x | {"other": other, "share": 0.0})
        others = module.logits({"pictures": batch.x["pictures"], **module.encoded_rows(loaded("pictures").table, other)})
    torch.testing.assert_close(own, mixed)
    torch.testing.assert_close(swapped, others)
    assert not torch.allclose(own, swapped)


@pytest.mark.parametrize("model", ["whitened", "strip", "test_efficientnet.r160_in1k", "test_vit.r160_in1k"])
def test_networks_of_every_make_see_columns_too(model: str) -> None:
    x = loaded("pictures")
    if "test" in model:
        x = MixedRows(np.zeros((24, 160, 160, 3), np.uint8), x.table)
    config = CONFIG["pictures"].changed(model=model, views=2, augment="mixup")
    module = registry.make(config, LABELS, x, steps=9, mirror=True)
    module.learn(x, np.arange(24), np.arange(24) % 2)
    again = registry.rebuilt(registry.saved(module))
    again.load_state_dict(module.state_dict())
    with torch.inference_mode():
        given = [one.eval().predict_step(one.gather(x, np.arange(5))) for one in (module, again)]
    assert torch.equal(*given) and given[0].shape == (5, 2)


# --- what cannot be, is said in one line


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Images("a/{id}.png"), Images("b/{id}.png")), "one of pictures or texts goes together with one table"),
        ((Table(),), "one of pictures or texts goes together with one table"),
        ((Text("words"), Images("a/{id}.png"), Table()), "one of pictures or texts goes together with one table"),
        ((Pixels(column="pixels"), Table()), "Pixels cannot be mixed"),
        ((Table(), "words"), "one of pictures or texts goes together with one table"),
    ],
)
def test_parts_that_cannot_be_mixed_are_refused(parts: tuple[Any, ...], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        joined(parts)


def test_the_order_of_the_parts_is_immaterial() -> None:
    assert joined((Table(), Text("words"))).kind == joined((Text("words"), Table())).kind == "text and table"


def test_parts_of_unequal_length_are_refused() -> None:
    x = loaded("texts")
    with pytest.raises(kit.BadData, match="23 rows of text and 24 of the table"):
        MixedRows(Texts(x.first[:23]), x.table)


@pytest.mark.parametrize(
    ("kind", "flags", "said"),
    [
        ("pictures", "--model lightgbm", "--model lightgbm: learns from columns alone; these inputs are pictures and columns"),
        ("pictures", "--model ngrams", "--model ngrams: learns from texts alone"),
        ("texts", "--model mlp", "--model mlp: learns from columns alone; these inputs are texts and columns"),
        ("texts", "--model bert-base-uncased", "does not learn from texts and columns; --model ngrams does"),
        ("pictures", "--strategy probe", "has no backbone to fit a head to"),
        ("pictures", "--optimizer muon", "is for convolutions alone"),
        ("texts", "--weights hub", "texts together with columns have no pretrained weights"),
    ],
)
def test_models_that_cannot_be_mixed_are_refused(
    kind: str, flags: str, said: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["run", adapter(kind), "--data", str(data), "--out", "refused", "--quiet", *flags.split()]) == 2
    message = capsys.readouterr().err.strip()
    assert said in message and "\n" not in message


def copied(data: Path) -> Path:
    """The data's tables in a folder of the test's own, beside the same pictures."""
    Path("data").mkdir()
    for path in data.glob("*.csv"):
        shutil.copy(path, "data")
    shutil.copytree(data / "pictures", "data/pictures")
    return Path("data")


def test_missing_pictures_and_columns_are_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = copied(data)
    (own / "pictures" / "train3.png").unlink()
    (own / "pictures" / "test5.png").unlink()
    run = kit.study(adapter("pictures"), own, out="run", quiet=True).run
    notes = " ".join(run.record.notes)
    assert "left out of training" in notes and "train3" in notes and "test5" in notes
    assert len(frames.read_folds(run.path)) == 199
    table = pd.read_csv(own / "test.csv")
    table.drop(columns=["light", "n"]).to_csv(own / "test.csv", index=False)
    assert app.main(["run", adapter("pictures"), "--data", str(own), "--out", "refused", "--quiet"]) == 65
    assert "train and test share no column besides ids and answers" in capsys.readouterr().err


def test_rows_that_share_a_picture_or_a_text_share_a_fold(data: Path) -> None:
    own = copied(data)
    shutil.copy(own / "pictures" / "train0.png", own / "pictures" / "train1.png")
    table = pd.read_csv(own / "train.csv", dtype=str)
    table.loc[3, "words"] = table.loc[2, "words"]
    table.loc[10:20, "words"] = " "
    table.to_csv(own / "train.csv", index=False)
    for kind, (one, two) in (("pictures", ("train0", "train1")), ("texts", ("train2", "train3"))):
        run = kit.study(adapter(kind), own, out=kind, quiet=True, seed=3).run
        folds = frames.read_folds(run.path)
        assert folds[one] == folds[two]
        assert "1 training rows repeat another one" in " ".join(run.record.notes)


def test_the_check_and_the_report_show_both_parts(finished: tuple[str, kit.Run], data: Path, capsys: Any) -> None:
    kind, run = finished
    path = adapter(kind)
    assert app.main(["check", path, "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert f"{kind}: training and test rows look alike" in said and "columns: training and test rows look alike" in said
    assert app.main(["report", str(run.path)]) == 0
    assert ("light night" if kind == "texts" else "data:image") in (run.path / "report.html").read_text()


@pytest.mark.parametrize("kind", BOTH)
def test_a_loop_of_ones_own_gets_both_parts(kind: str, data: Path) -> None:
    fold = next(iter(kit.study(adapter(kind), data, out="run", quiet=True)))
    x, y = next(iter(fold.data.train_dataloader()))
    assert x["numbers"].shape == (len(y), 1) and x["codes"].shape == (len(y), 1)
    assert x["first"].shape == (len(y), 3, 12, 12) if kind == "pictures" else isinstance(x["first"][0], str)
