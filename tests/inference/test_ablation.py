"""Did views and averaged weights pay? Told by the gate of blends, from rows that no model saw, for a pass more at most."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL
from test_resume import same_results

import kit
from kit import competition
from kit.config import Config
from kit.inference import ablation, blend_weights, members
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.models import devices, prediction
from kit.reporting import summary
from kit.storage import predictions
from kit.storage.run_folder import write_json
from kit.training.callbacks import Report

VIEWED = {**SMALL, "views": 3, "ema": 0.9}
BOTH = set(ablation.FILES.values())


@pytest.fixture(scope="module")
def viewed(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A run of three views and averaged weights. Look, don't touch."""
    return kit.run("digits", digits, out=tmp_path_factory.mktemp("viewed") / "run", quiet=True, **VIEWED)


def kept(run: kit.Run, name: str) -> pd.DataFrame:
    """A file of all folds, in the order of the run's out-of-fold rows."""
    return pd.concat([predictions.load(run.fold(k), name) for k in run.info["folds"]]).loc[run.oof.index]


def test_the_files_are_what_the_models_say_without(viewed: kit.Run, digits: Path) -> None:
    facts = competition.load("digits").competition
    tables = facts.tables(digits)
    x = facts.inputs.load(digits, tables.train, "train", 0).rows
    config = devices.choose(Config(**viewed.info["config"]))
    for k, model in enumerate(members.load(viewed)):
        ids = predictions.load(viewed.fold(k), "oof").index
        rows = tables.train.index.get_indexer(ids)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        whole = prediction.predict(model, x, rows, config)
        found = {}
        for name, context in ablation.without(model).items():
            with context():
                found[name] = prediction.predict(model, x, rows, config)
        assert set(found) == BOTH and ablation.passes(model) == pytest.approx(2 / 3)
        for name, values in found.items():
            assert np.array_equal(values, predictions.load(viewed.fold(k), name).to_numpy())
            assert not np.array_equal(values, whole)
        model.set_views(1)
        assert np.array_equal(found[ablation.FILES["views"]], prediction.predict(model, x, rows, config))
        model.set_views(3)
        assert list(before) == list(model.state_dict())
        assert np.array_equal(whole, prediction.predict(model, x, rows, config))


def test_a_gain_is_the_difference_of_out_of_fold_scores(viewed: kit.Run, digits: Path) -> None:
    truth = competition.load("digits").competition.tables(digits).train.loc[viewed.oof.index, "label"].astype(int).to_numpy()
    assert set(viewed.scores["paid"]) == set(ablation.FILES)
    one, raw = (np.mean(kept(viewed, file).to_numpy().argmax(axis=1) == truth) for file in ablation.FILES.values())
    gains = {"views": viewed.scores["oof"] - one, "averages": one - raw}
    for name, found in viewed.scores["paid"].items():
        assert found["gain"] == pytest.approx(gains[name])
        assert found["paid"] == (found["gain"] > blend_weights.NOISES * found["noise"] and found["gain"] > 0)


@pytest.mark.parametrize(("right", "wins"), [(0.7, True), (0.9, False), (0.89, False), (0.98, False)])
def test_only_what_exceeds_its_noise_has_paid(right: float, wins: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)

    def answers(share: float) -> pd.DataFrame:
        said = np.where(rng.random(600) < share, y, (y + 1) % 3)
        return pd.DataFrame(np.eye(3, dtype=np.float32)[said], index=[f"i{i}" for i in range(600)], columns=list("abc"))

    oof, other = answers(0.9), answers(right)
    for k in range(2):  # folds lie in any order
        predictions.save(tmp_path / f"{k}", ablation.FILES["views"], other.iloc[1 - k :: 2].rename_axis("id"))
    found = ablation.verdicts([tmp_path / "0", tmp_path / "1"], oof, y, OneOf("x", tuple("abc")), accuracy)
    assert list(found) == ["views"] and found["views"]["paid"] == wins
    assert found["views"]["noise"] == pytest.approx(np.sqrt(0.9 * 0.1 / 600 + right * (1 - right) / 600), rel=0.35)


def test_a_run_with_neither_says_nothing_and_costs_nothing(digits: Path, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **{**SMALL, "ema": 0.0, "decide": "none"})
    assert "paid" not in run.scores and "gain by" not in summary.summary(run)
    assert not [path for name in BOTH for path in run.path.rglob(f"{name}.npz")]


def test_what_a_killed_run_had_kept_is_the_same_and_what_is_damaged_is_made_again(
    viewed: kit.Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = Report.on_train_start

    def faulty(self: Report, *rest: object) -> None:
        healthy(self, *rest)  # type: ignore[arg-type]
        if self.state.fold.number == 1:
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"), monkeypatch.context() as patch:
        patch.setattr(Report, "on_train_start", faulty)
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **VIEWED)
    damaged = tmp_path / "run" / "fold0" / f"{ablation.FILES['views']}.npz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **VIEWED)
    assert same_results(run.path, viewed.path) and run.scores["paid"] == viewed.scores["paid"]
    for path in [path for name in BOTH for path in viewed.path.rglob(f"{name}.npz")]:
        assert path.read_bytes() == (run.path / path.relative_to(viewed.path)).read_bytes()


def test_the_summary_and_the_page_say_it_and_an_older_run_is_still_read(viewed: kit.Run, tmp_path: Path) -> None:
    found = viewed.scores["paid"]["views"]
    wanted = f"views {found['gain']:+.5f} ± {found['noise']:.5f}, {'paid' if found['paid'] else 'did not pay'}"
    assert f"gain by  {wanted}   averaged weights " in summary.summary(viewed)
    shutil.copytree(viewed.path, tmp_path / "old")
    old = kit.load(tmp_path / "old")
    from kit.reporting.report import page

    assert "gain by averaged weights" in page.write(old).read_text()
    write_json(old.path / "scores.json", {name: value for name, value in old.scores.items() if name != "paid"})
    for path in [path for name in BOTH for path in old.path.rglob(f"{name}.npz")]:
        path.unlink()
        stats = json.loads((path.parent / "fold.json").read_text())
        write_json(path.parent / "fold.json", {**stats, "checksums": {"oof.npz": stats["checksums"]["oof.npz"]}})
    assert "averaged weights" not in summary.summary(old) and "gain by" not in page.write(old).read_text()
