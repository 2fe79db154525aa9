"""Kernels of blends: every run that counts goes along, and what comes out is what `kit predict` says of the blend."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_table import QUICK, folder, sold

import kit
from kit import competition as competitions
from kit.cli.app import main
from kit.errors import BadData
from kit.inference.blend import blend
from kit.kaggle import bundle, hidden_test, kernel
from kit.storage import frames

KINDS = {
    "price": 'labels=Numbers(("price",)), metric=rmse, code=True',
    "dear": 'labels=Columns(("dear",)), metric=auc',
    "grade": 'labels=Grade("grade", top=3), metric=qwk',
}
ADAPTERS = {f"{answer}.py" for answer in KINDS}
Blends = dict[str, kit.Run]


def adapter(place: Path, answer: str) -> Path:
    """A competition of sold houses, in a file beside its data."""
    file = place / f"{answer}.py"
    file.write_text(
        f"from kit import *\nfrom kit.metrics import *\ncompetition = Competition("
        f"slug='{answer}-of-houses', id='Id', inputs=Table(), {KINDS[answer]})\n"
    )
    table = sold(300)
    table["grade"] = pd.qcut(table["price"].astype(float), 4, labels=False).astype(str)
    cells = table.drop(columns=[name for name in ("price", "dear", "grade") if name != answer])
    folder(place / answer, cells[:240], cells[240:].drop(columns=answer))
    sample = pd.DataFrame({"Id": [f"te{i}" for i in range(60)], answer: "1"})
    frames.write_csv(place / answer / "sample_submission.csv", sample, index=False)
    return file


@pytest.fixture(scope="module")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Blends:
    """Blends of each way of combining; the runs are boosting that stops far too early."""
    place = tmp_path_factory.mktemp("blends")

    def trained(answer: str, name: str, **knobs: object) -> kit.Run:
        known = {**QUICK, "folds": 3, "model": "lightgbm", "shrinkage": 0.05, "trees": 8}
        return kit.run(str(place / f"{answer}.py"), place / answer, out=place / name, quiet=True, **{**known, **knobs})

    for answer in KINDS:
        adapter(place, answer)
    pair = [trained("price", "few"), trained("price", "more", trees=14)]
    stack = blend(pair, out=place / "stack", quiet=True, way="stack", columns="size")
    made = {"stack": stack, "nested": blend([stack, pair[0]], out=place / "nested", quiet=True, way="stack", columns="size")}
    dear = [trained("dear", "boosted", trees=40), trained("dear", "perceptron", model="mlp", epochs=10)]
    grades = [trained("grade", "one"), trained("grade", "other", seed=1)]
    return made | {
        "rank": blend(dear, out=place / "rank", quiet=True),
        "decided": blend(grades, out=place / "decided", quiet=True),
    }


def attached(run: kit.Run, place: Path) -> kit.Run:
    """A run as its kernel finds it: by a dataset's files and an adapter in `competitions/` alone."""
    identity = bundle.lay_out({"run": run.path}, place / "input" / "dataset")
    shutil.copytree(Path(run.info["competition"]).parent, "competitions", ignore=lambda folder, names: {*names} - {*ADAPTERS})
    return kit.load(bundle.find(identity, place / "input", place / "found") / "run")


def test_the_blends_combine_in_every_way(blends: Blends) -> None:
    """What the other tests rest on."""
    about = {name: run.info["blend"] for name, run in blends.items()}
    assert [about[name]["by"] for name in ("stack", "rank", "decided")] == ["stack", "rank", "mean"]
    assert [about[name]["kept"] for name in ("stack", "rank", "decided")] == [True] * 3, about
    assert about["stack"]["stack"]["columns"] == ["size"]
    assert blends["decided"].info["decision"]["kept"]


@pytest.mark.parametrize("name", ["stack", "nested", "rank", "decided"])
def test_a_blend_s_kernel_writes_what_predict_writes(name: str, blends: Blends, tmp_path: Path) -> None:
    run = blends[name]
    there = attached(run, tmp_path)
    assert all(one["name"].startswith("members/") for one in there.info["members"])
    root = Path(run.info["root"])
    facts = competitions.load(run.info["competition"]).competition
    hidden_test.lay_out(facts, root, tmp_path / "hidden")
    for data in (root, tmp_path / "hidden"):
        for one, place in ((run, "here"), (there, "there")):
            kit.predict(one, data, out=place)
        for file in ("test.csv", "submission.csv"):
            assert Path("here", file).read_bytes() == Path("there", file).read_bytes()
        if data == root:
            assert Path("there/submission.csv").read_bytes() == run.submission.read_bytes()


def test_a_blend_of_a_stack_is_rehearsed(blends: Blends, capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh process without network, on the known test set and on a hidden one, as a code competition has."""
    run = blends["nested"]
    words = [run.info["competition"], "--out", "kernel"]
    assert main(["kernel", "build", *words, "--run", str(run.path)]) == 0
    said = capsys.readouterr().out
    assert f"a blend: the kernel predicts by {run.path.parent / 'stack'}" in said and "files, 0." in said
    assert main(["kernel", "rehearse", *words, "--mount", "new"]) == 0
    said = capsys.readouterr().out
    assert "predictions and submission are the local run's, byte for byte" in said
    assert "each hidden row is answered as its known twin (largest difference 0)" in said


def test_a_kernel_trains_as_a_run_of_a_metric_without_decisions_did(blends: Blends) -> None:
    run = kit.load(blends["rank"].info["members"][0]["name"])
    built = kernel.build(run.info["competition"], run, "train", out=Path("kernel"))
    again = kit.run(run.info["competition"], run.info["root"], out="again", quiet=True, **built.settings["knobs"])
    assert again.submission.read_bytes() == run.submission.read_bytes()


def test_members_that_do_not_count_stay_here_and_no_folder_of_this_machine_goes_along(blends: Blends) -> None:
    """Of the blend that is one stack alone: that, and its two runs."""
    built = kernel.build(blends["nested"].info["competition"], blends["nested"], out=Path("kernel"))
    assert built.dataset
    names = {path.name for path in built.dataset.iterdir()}
    models = {name.rpartition("--fold0")[0] for name in names if name.endswith("fold0--model.ckpt")}
    stack = "run--members--0-stack--members--"
    assert models == {f"{stack}0-few", f"{stack}1-more"}
    for path in built.dataset.iterdir():
        assert os.fsencode(blends["nested"].path.parent) not in path.read_bytes(), path


def test_a_blend_that_cannot_predict_other_rows_is_refused_in_one_line(
    blends: Blends, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kit.load(blends["stack"].info["members"][0]["name"])
    for name, frame in (("oof", run.oof), ("test", run.test)):
        noise = np.random.default_rng(0).normal(0, 1, frame.shape)
        frames.write_csv(Path(f"{name}.csv"), frame.astype(np.float64) * 1.5 - 80 + noise)
    blend([run], [(Path("oof.csv"), Path("test.csv"))], out="mixed", quiet=True)
    shutil.copytree(run.path, "outside")
    kit.load("outside").note(study=True)
    members = blends["stack"].info["members"]
    shutil.copytree(blends["stack"].path, "studied")
    kit.load("studied").note(members=[{**members[0], "name": "outside"}, members[1]])
    for words, said in (
        (["--run", "studied"], "outside: made by kit.study, so it has no models for the hidden test rows"),
        (["--run", "mixed"], "mixed: blends 'oof.csv', which is no run here and cannot predict other rows."),
        (["--run", str(blends["stack"].path), "--train"], "is a blend, which trains nothing. Leave --train out"),
    ):
        assert main(["kernel", "build", run.info["competition"], *words, "--out", "kernel"]) == 2
        error = capsys.readouterr().err.strip()
        assert said in error and len(error.splitlines()) == 1 and not Path("kernel").exists()


def test_a_blend_of_runs_that_were_trained_anew_is_refused(blends: Blends) -> None:
    """Its weights were chosen for other predictions, and its submission is not what its runs predict now."""
    shutil.copytree(blends["decided"].path.parent / "one", "one")
    members = blends["decided"].info["members"]
    shutil.copytree(blends["decided"].path, "both")
    Path("both/manifest.json").unlink()
    run = kit.load("both")
    run.note(members=[{**members[0], "name": "one"}, members[1]])
    assert kernel.build(run.info["competition"], run, out=Path("kernel")).dataset
    other = kit.load("one")
    frames.write_csv(other.path / "test.csv", other.test + 1)
    (other.path / "manifest.json").unlink()
    for use in (lambda: kernel.build(run.info["competition"], run, out=Path("kernel")), lambda: kit.predict(run)):
        with pytest.raises(BadData, match=r"both: the predictions of 'one' changed after they were blended\. Blend again"):
            use()
