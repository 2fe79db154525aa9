"""The gate for guests: what an adapter brings of its own goes through everything that the kit's own parts go through."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import command, warm
from plugs import ADAPTER, KNOBS, MINE, PLUGS, preset_model, write

import kit
from kit.cli.app import main
from kit.competition import load
from kit.competition.synthetic import fabricate
from kit.inference import export
from kit.pipeline import adapter_check
from kit.storage.run_folder import read_json
from kit.training.callbacks import Seeds

HAVE_NO_GRAPH = {"module"}


def run(out: str, **more: Any) -> kit.Run:
    return kit.run("guest.py", "data", out=out, quiet=True, **{**KNOBS, "model": preset_model(), **more})


@pytest.mark.slow
@pytest.mark.parametrize("plug", PLUGS)
def test_a_guests_part_passes_the_gate(plug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(plug)
    assert {name: fault for name, fault in adapter_check.adapter(load("guest.py")) if fault} == {}
    whole = run("whole")
    assert not kit.validate("guest.py", whole.submission, "data")
    resumed = cut(monkeypatch, lambda: run("cut", snapshot=0))
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    fresh = warm("predict", whole.path, "--out", "again")
    fresh.join(240)
    assert fresh.exitcode == 0, Path("said").read_text()
    assert Path("again/submission.csv").read_bytes() == whole.submission.read_bytes()
    assert main(["report", str(whole.path), "--quiet"]) == 0
    if plug in HAVE_NO_GRAPH:
        with pytest.raises(kit.Usage, match="Mine has no graph"):
            export.export(whole, "torchscript")
    else:
        assert export.export(whole, "torchscript").difference < 1e-4


def cut(monkeypatch: pytest.MonkeyPatch, train: Callable[[], kit.Run]) -> kit.Run:
    """A run that is cut in the middle of its second epoch, and goes on."""
    healthy = Seeds.on_train_batch_start

    def faulty(self: Seeds, trainer: Any, module: Any, batch: Any, index: int) -> None:
        healthy(self, trainer, module, batch, index)
        if (self.fold.number, batch.epoch, batch.step) == (1, 1, 1):
            raise RuntimeError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(Seeds, "on_train_batch_start", faulty)
        with pytest.raises(RuntimeError, match="cut"):
            train()
    assert list(Path("cut/fold1").glob("snapshot-*.pt"))
    return train()


def adapter(text: str) -> None:
    Path("guest.py").write_text(ADAPTER + text)


def test_a_guests_callback_logs_into_the_history_and_knobs_are_kept(tmp_path: Path) -> None:
    adapter(PLUGS["callback"] + PLUGS["knob"])
    fabricate(load("guest.py").competition, tmp_path / "data", train=24, test=10)
    made = run("run", model="mine", epochs=1)
    assert (made.info["config"]["alpha"], made.info["origins"]["alpha"]) == (0.5, "preset fast")
    assert "lr-AdamW/pg1" in (made.path / "fold0" / "history.csv").read_text().splitlines()[0]
    other = run("other", model="mine", epochs=1, alpha="0.75")
    assert other.info["config"]["alpha"] == 0.75 and not other.oof.equals(made.oof)
    with pytest.raises(kit.Usage, match=r"alpha: 0.5 → 0.75"):
        run("run", model="mine", epochs=1, alpha=0.75)
    with pytest.raises(kit.Usage, match=r"unknown knob 'alpa'. Did you mean 'alpha'"):
        run("run", alpa=1)
    with pytest.raises(kit.Usage, match=r"--alpha -1\.0: the value must be at least 0"):
        run("run", alpha=-1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("networks = [1]", r"`networks` is written networks = \{"),
        ("modules = {'mine': 3}", r"`modules` is written modules = \{.*kit.FoldModule"),
        ("knobs = {'alpha': 0.5}", r"`knobs` is written knobs = .*kit\.knob"),
        ("knobs = {'lr': kit.knob(0.5, 'x')}", "has a knob 'lr' already"),
        ("augmentations = {'mine': 1}", r"`augmentations` is written"),
        ("callbacks = 3", r"`callbacks` is written"),
        ("presets = {'fast': kit.Config(epohcs=3)}", r"preset 'fast': unknown knob 'epohcs'. Did you mean 'epochs'"),
        ("presets = {'fast': kit.Config(augment='ligth')}", r"preset 'fast': --augment 'ligth'.*Did you mean 'light'"),
    ],
)
def test_a_part_of_the_wrong_kind_says_how_it_is_written(text: str, said: str) -> None:
    adapter(text)
    with pytest.raises(kit.Usage, match=said):
        load("guest.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modules = {'mine': nn.Linear}" + MINE, r"modules\['mine'\]: a subclass of kit.FoldModule"),
        ("class Mine(kit.NetModule): pass\nmodules = {'mine': Mine}" + MINE, r"Mine: it has no network. Call self.take"),
        ("class Mine(kit.ImageModule): pass\nmodules = {'mine': Mine}" + MINE, 'State architecture = "convnet", say'),
        (
            "def mean(*facts): return nn.Flatten()\nnetworks = {'mean': mean}\npresets = {'fast': kit.Config(model='maen')}",
            "no network of the adapter's.*Did you mean 'mean'",
        ),
        ("callbacks = [EarlyStopping('x')]", "EarlyStopping is .*--early-stop"),
        ("networks = {'mine': lambda c, s, o, config: nn.Flatten()}" + MINE, "a checkpoint cannot name it"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_serve_is_refused_before_the_first_epoch(text: str, said: str, tmp_path: Path) -> None:
    adapter(text)
    fabricate(load("guest.py").competition, tmp_path / "data", train=24, test=10)
    with pytest.raises(kit.Usage, match=said):
        run("run")
    assert not list(Path("run").glob("fold0/snapshot*"))


def test_options_of_the_trainer_are_handed_on_or_refused_by_name(tmp_path: Path) -> None:
    adapter("")
    fabricate(load("guest.py").competition, tmp_path / "data", train=24, test=10)
    few = run("few", trainer="overfit_batches=1,detect_anomaly=True", epochs=2)
    rows = (few.path / "fold0" / "history.csv").read_text().splitlines()[1:]
    assert len(rows) == 2
    assert not few.oof.equals(run("all", epochs=2).oof)
    for text, said in {
        "max_epochs=3": "Use --epochs",
        "strategy=ddp": "folds and resumption depend on it",
        "overfit_batchs=1": "Did you mean 'overfit_batches'",
        "detect_anomaly": "KEY=VALUE is wanted",
        "gradient_clip_algorithm=foo": "Lightning refuses it",
        "detect_anomaly=maybe": "must be True or False",
    }.items():
        with pytest.raises(kit.Usage, match=said):
            run(text.partition("=")[0], trainer=text)


def test_a_network_of_a_guest_freezes_and_decays_by_its_children(tmp_path: Path) -> None:
    adapter(PLUGS["network"])
    fabricate(load("guest.py").competition, tmp_path / "data", train=24, test=10)
    first = run("first", model="mine")
    frozen = run("frozen", model="mine", from_run="first", strategy="freeze")
    states = [state(made) for made in (first, frozen)]
    assert np.array_equal(states[0]["averaged.module.0.weight"], states[1]["net.0.weight"])  # as it predicts
    assert not np.array_equal(states[0]["net.4.weight"], states[1]["net.4.weight"])


def state(made: kit.Run) -> dict[str, np.ndarray]:
    saved = torch.load(made.path / "fold0" / "model.ckpt", weights_only=True)["state_dict"]
    return {name: value.numpy() for name, value in saved.items() if isinstance(value, torch.Tensor)}


def test_what_a_checkpoint_of_a_guest_names_is_found_again(tmp_path: Path) -> None:
    adapter(PLUGS["module"])
    fabricate(load("guest.py").competition, tmp_path / "data", train=24, test=10)
    made = run("run", model="mine", epochs=1)
    assert read_json(made.fold(0) / "fold.json")["checksums"]["model.ckpt"]
    Path("guest.py").write_text(ADAPTER)
    done = command("predict", made.path, "--out", "again")
    assert done.returncode == 2
    assert "competitions.guest:Mine is not there" in done.stderr and "Traceback" not in done.stderr
