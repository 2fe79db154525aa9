"""Transfer: what is frozen stays to the bit, layers learn when and as fast as they should, and no fold begins with a leak."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SMALL
from test_resume import same_results, stop_in

import kit
from kit import competition as competitions
from kit.competition import synthetic
from kit.config import Config
from kit.errors import Usage
from kit.labels import OneOf, to_json
from kit.models import networks
from kit.models.batch import Batch
from kit.models.images.image_module import ImageModule
from kit.models.optimizers.schedules import one_cycle
from kit.models.transfer import Thaw
from kit.training import checkpoints
from kit.training.callbacks import Snapshots

KNOBS = {
    "width": 4, "epochs": 2, "folds": 2, "batch": 12, "views": 1, "augment": "light", "precision": "fp32", "lr": 0.01,
    "label_smoothing": 0.0, "quiet": True,
}  # fmt: skip
LABELS = OneOf("x", tuple("abcde"))
State = dict[str, torch.Tensor]
RESNET = "test_resnet"  # timm's own for tests: a ResNet of 0.5 M weights


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two sets of pictures of one competition."""
    roots = [tmp_path_factory.mktemp("data") for _ in range(2)]
    for seed, root in enumerate(roots):
        synthetic.fabricate(competitions.load("cifar10").competition, root, train=40, test=4, seed=seed)
    return roots


@pytest.fixture(scope="module")
def source(data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], kit.Run]]:
    """A finished run of a model on the first set, made once."""
    made: dict[str, kit.Run] = {}

    def of(model: str) -> kit.Run:
        if model not in made:
            out = tmp_path_factory.mktemp(model) / "run"
            made[model] = kit.run("cifar10", data[0], out=out, model=model, **KNOBS)
        return made[model]

    yield of


def make(config: Config, channels: int = 3) -> ImageModule:
    return ImageModule(config.json(), to_json(LABELS), channels=channels, side=32, steps=10)


def model_of(run: kit.Run, fold: int | str) -> ImageModule:
    return checkpoints.load_model(run.fold(fold) / "model.ckpt")


def predictor(module: ImageModule) -> State:
    return (module.net if module.averaged is None else module.averaged.module).state_dict()


def same(one: State, other: State, names: list[str] | set[str]) -> list[str]:
    """Those names whose tensors are equal to the bit."""
    return [name for name in names if torch.equal(one[name], other[name])]


def backbone(module: ImageModule) -> list[str]:
    head = set(networks.head_names(module.net))
    return [name for name in module.net.state_dict() if name not in head]


@pytest.mark.parametrize("model", ["convnet", "whitened", RESNET])
def test_a_frozen_backbone_stays_to_the_bit_with_its_statistics(
    model: str, source: Callable[[str], kit.Run], data: list[Path], tmp_path: Path
) -> None:
    base = source(model)
    for root, part in ((data[0], [0, 1]), (data[1], [0, 0])):
        knobs = {**KNOBS, "model": model, "strategy": "freeze", "from_run": str(base.path)}
        run = kit.run("cifar10", root, out=tmp_path / f"{part}", **knobs)
        for fold in (0, 1):
            old, new = model_of(base, part[fold]), model_of(run, fold)
            names, heads = backbone(new), networks.head_names(new.net)
            assert any("num_batches_tracked" in name for name in names) and any("running_var" in name for name in names)
            for state in (new.net.state_dict(), predictor(new)):
                assert same(predictor(old), state, names) == names
                assert same(predictor(old), state, heads) == []
            assert torch.equal(old.mean, new.mean) and torch.equal(old.std, new.std)


@pytest.mark.parametrize("model", ["convnet", RESNET])
def test_all_layers_learn_once_unfrozen_and_none_before(
    model: str, source: Callable[[str], kit.Run], data: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: dict[int, State] = {}
    healthy = Snapshots.on_train_batch_start  # the first at a batch's start

    def looking(self: Snapshots, trainer: Any, module: ImageModule, batch: Batch, index: int) -> None:
        if batch.step == 0 and self.state.fold.number == 0:
            begun[batch.epoch] = {name: one.clone() for name, one in module.net.state_dict().items()}
        healthy(self, trainer, module, batch, index)

    monkeypatch.setattr(Snapshots, "on_train_batch_start", looking)
    base = source(model)
    knobs = {**KNOBS, "model": model, "strategy": "freeze-unfreeze", "unfreeze": 2, "epochs": 3, "from_run": str(base.path)}
    run = kit.run("cifar10", data[0], out=tmp_path / "run", only_fold=[0], freeze_norm=0, **knobs)
    old, new = predictor(model_of(base, 0)), model_of(run, 0)
    names = backbone(new)
    assert len(begun) == 3
    assert all(same(old, begun[epoch], names) == names for epoch in (0, 1, 2))
    assert len(same(old, new.net.state_dict(), names)) < len(names) / 20  # a dead channel may have nothing to learn


@pytest.mark.parametrize("model", ["convnet", "whitened", "resnet18"])
@pytest.mark.parametrize("strategy", ["full", "freeze", "freeze-unfreeze", "gradual"])
def test_the_layers_that_learn_grow_from_the_head(strategy: str, model: str) -> None:
    net = networks.make(model, 3, 32, 5, width=4)
    epochs, unfreeze = 12, 2
    thaw = Thaw(net, Config(model=model, width=4, strategy=strategy, epochs=epochs, unfreeze=unfreeze))
    everything = [name for layer in thaw.layers for name in layer]
    assert sorted(everything) == sorted(name for name, _ in net.named_parameters())
    assert thaw.layers[-1] == networks.head_names(net)
    total, counts = len(thaw.layers), []
    for epoch in range(epochs):
        net.train()
        thaw.set(epoch)
        learns = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
        count = total if strategy == "full" else thaw.open_layers(epoch)
        opened = {name for layer in thaw.layers[total - count :] for name in layer}
        assert learns == opened - thaw.never
        for name, part in net.named_modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                assert part.training == (f"{name}.weight" in opened)
        counts.append(count)
    assert counts == sorted(counts) and counts[0] == (total if strategy == "full" else 1)
    wanted = {"full": [total] * 12, "freeze": [1] * 12, "freeze-unfreeze": [1] * 2 + [total] * 10}
    assert counts == wanted.get(strategy, counts)
    if strategy == "gradual":
        assert counts[1] == 1 < counts[2] < total and set(counts[epochs // 2 :]) == {total}


def rates(module: ImageModule) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in module.net.named_parameters()}
    groups = module.configure_optimizers()["optimizer"].param_groups
    return {names[id(parameter)]: group["initial_lr"] for group in groups for parameter in group["params"]}


@pytest.mark.parametrize("model", ["convnet", "whitened", "resnet18"])
def test_layers_nearer_to_the_picture_learn_slower(model: str) -> None:
    config = Config(model=model, width=4, lr=0.5, layer_decay=0.5, layout="contiguous")
    module = make(config)
    found = rates(module)
    layers = module.thaw.layers
    assert set(found) == {name for layer in layers for name in layer} - module.thaw.never
    for depth, layer in enumerate(layers):
        assert {found[name] for name in layer if name in found} <= {0.5 * 0.5 ** (len(layers) - 1 - depth)}
    assert len(set(found.values())) > 3
    assert set(rates(make(config.changed(layer_decay=1.0))).values()) == {0.5}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 19, 100])
def test_the_schedule_is_one_cycle_for_any_number_of_steps(steps: int, warmup: float) -> None:
    """As torch's, which divides by zero where the rise is one step long."""
    ours = [one_cycle(step, steps, warmup) for step in range(steps)]
    assert all(0 < share <= 1 for share in ours) and np.argmax(ours) == pytest.approx(warmup * (steps + 1) - 1, abs=1)
    if warmup * (steps + 1) - 1 <= 0:
        return
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=steps + 1, pct_start=warmup, cycle_momentum=False)
    for share in ours:
        assert share == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-6)
        theirs.step()


def test_on_the_same_rows_only_the_same_folds_may_lend_their_models(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    """Any other model has seen rows that are validated here."""
    begin = {**SMALL, "from_run": str(small_run.path), "epochs": 1, "quiet": True}
    for other in ({"folds": 2}, {"seed": 5}, {"limit": 299}):
        with pytest.raises(Usage, match=r"--from .*dealt to other folds"):
            kit.run("digits", digits, out=tmp_path / f"{other}", **{**begin, **other})
    run = kit.run("digits", digits, out=tmp_path / "run", strategy="freeze", **begin)
    for fold in range(3):
        new = model_of(run, fold)
        names = backbone(new)
        matches = [same(predictor(model_of(small_run, k)), predictor(new), names) == names for k in range(3)]
        assert matches == [k == fold for k in range(3)]


def test_of_a_run_on_other_rows_the_refit_is_taken_if_there_is_one(digits: Path, tmp_path: Path) -> None:
    knobs = {**SMALL, "epochs": 1, "folds": 2, "quiet": True}
    base = kit.run("digits", digits, out=tmp_path / "base", final="refit", **knobs)
    shutil.copytree(digits, tmp_path / "data")
    lines = (digits / "train.csv").read_text().splitlines()
    (tmp_path / "data" / "train.csv").write_text("\n".join([lines[0], *lines[:300:-1]]) + "\n")
    run = kit.run("digits", tmp_path / "data", out=tmp_path / "run", strategy="freeze", from_run=str(base.path), **knobs)
    new = model_of(run, 1)
    assert same(predictor(model_of(base, "refit")), predictor(new), backbone(new)) == backbone(new)


def test_another_net_or_an_unfinished_run_is_refused(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    begin = {**SMALL, "quiet": True, "from_run": str(small_run.path)}
    with pytest.raises(Usage, match=r"--from: that run's net differs .*--model and --width"):
        kit.run("digits", digits, out=tmp_path / "a", **{**begin, "width": 6})
    with pytest.raises(Usage, match="no run"):
        kit.run("digits", digits, out=tmp_path / "b", **{**begin, "from_run": str(tmp_path / "nowhere")})
    half = kit.run("digits", digits, out=tmp_path / "half", only_fold=[0], **{**SMALL, "quiet": True})
    with pytest.raises(Usage, match=r"--from .*not complete"):
        kit.run("digits", digits, out=tmp_path / "c", **{**begin, "from_run": str(half.path)})


@pytest.mark.parametrize("step", [0, 1])
def test_a_gradual_fit_that_was_stopped_ends_with_the_same_bytes(
    step: int, digits: Path, small_run: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knobs = {**SMALL, "epochs": 3, "strategy": "gradual", "layer_decay": 0.7, "from_run": str(small_run.path), "quiet": True}
    whole = kit.run("digits", digits, out=tmp_path / "whole", **knobs)
    stop_in(monkeypatch, 1, step, RuntimeError("the power went"))
    with pytest.raises(RuntimeError):
        kit.run("digits", digits, out=tmp_path / "run", snapshot=0.0, **knobs)
    assert checkpoints.snapshots(tmp_path / "run" / "fold1")
    run = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    assert same_results(run.path, whole.path)
