"""The shared module, its networks, and the device that is chosen for them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL
from sklearn import metrics as sk

import kit
from kit.competition import load, synthetic
from kit.config import Config
from kit.labels import Columns, Numbers, OneOf
from kit.labels.tracking import tracked
from kit.models import devices, networks, registry
from kit.models.images.image_module import MARGIN, ImageModule, ink_box, make
from kit.storage import frames
from kit.training import checkpoints

RNG = np.random.default_rng(0)


def test_tracked_metrics_equal_scikit_learn_on_the_same_predictions() -> None:
    truth, scores = RNG.integers(0, 4, 500), RNG.dirichlet(np.ones(4), 500).astype(np.float32)
    values = tracked(OneOf("x", tuple("abcd")), torch.from_numpy(scores), torch.from_numpy(truth))
    assert values["accuracy"] == pytest.approx(sk.accuracy_score(truth, scores.argmax(1)))
    assert values["f1"] == pytest.approx(sk.f1_score(truth, scores.argmax(1), average="macro"))
    assert values["auroc"] == pytest.approx(
        sk.roc_auc_score(truth, scores / scores.sum(1, keepdims=True), multi_class="ovr"), abs=1e-5
    )


def test_tracked_metrics_of_one_and_several_probabilities() -> None:
    for columns in (1, 3):
        truth = RNG.integers(0, 2, (400, columns)).astype(np.float32)
        scores = RNG.random((400, columns)).astype(np.float32)
        values = tracked(Columns(tuple("abc"[:columns])), torch.from_numpy(scores), torch.from_numpy(truth))
        assert values["auroc"] == pytest.approx(sk.roc_auc_score(truth, scores, average="macro"), abs=1e-6)
        assert values["f1"] == pytest.approx(sk.f1_score(truth, scores > 0.5, average="macro" if columns > 1 else "binary"))


def test_tracked_metrics_of_numbers() -> None:
    truth, answers = RNG.normal(size=(300, 2)).astype(np.float32), RNG.normal(size=(300, 2)).astype(np.float32)
    values = tracked(Numbers(("a", "b")), torch.from_numpy(answers), torch.from_numpy(truth))
    assert values["mae"] == pytest.approx(sk.mean_absolute_error(truth, answers))
    assert values["rmse"] == pytest.approx(np.sqrt(sk.mean_squared_error(truth, answers)))


@pytest.mark.parametrize("side", [7, 8, 12, 28, 32, 64, 224])
def test_the_small_net_takes_any_size(side: int) -> None:
    net = networks.make("convnet", 1, side, 5, width=4).eval()
    assert net(torch.zeros(2, 1, side, side)).shape == (2, 5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "channels", "side"), [("resnet34", 1, 28), ("vit_tiny_patch16_224", 3, 64), ("mobilenetv3_small_050", 3, 32)]
)
def test_any_timm_backbone_takes_small_images_of_one_or_three_channels(model: str, channels: int, side: int) -> None:
    net = networks.make(model, channels, side, 4)
    assert net.training and net(torch.zeros(2, channels, side, side)).shape == (2, 4)


@pytest.mark.parametrize(("model", "side"), [("vit_tiny_patch16_224", 8), ("whitened", 8), ("convnet", 1)])
def test_a_network_that_cannot_take_a_size_says_so(model: str, side: int) -> None:
    with pytest.raises(kit.Usage, match=f"--model {model}: does not take {side}×{side} images"):
        networks.make(model, 3, side, 2)


def test_the_kits_own_nets_are_suggested_too() -> None:
    with pytest.raises(kit.Usage, match="Did you mean 'convnet'"):
        networks.make("convnt", 3, 32, 2)


def test_what_reads_texts_is_refused_where_there_are_none() -> None:
    with pytest.raises(kit.Usage, match="--model reader: reads a text"):
        registry.make(Config(model="reader"), OneOf("x", ("a", "b")), np.zeros((1, 32, 32, 3), np.uint8), False, 1)


@pytest.mark.slow
def test_resnet34_runs_on_grey_28x28(tmp_path: Path) -> None:
    synthetic.fabricate(load("mnist").competition, tmp_path / "data", train=40, test=6)
    run = kit.run("mnist", tmp_path / "data", quiet=True, model="resnet34", epochs=1, folds=2, batch=16, views=1)
    assert run.complete and run.info["config"]["model"] == "resnet34"


def test_a_last_batch_of_one_row_does_not_break_batch_normalisation(digits: Path, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **{**SMALL, "limit": 98, "folds": 2, "batch": 48})
    assert run.scores["rows"]["train"] == 98


def test_a_checkpoint_loads_as_any_lightning_checkpoint(small_run: kit.Run) -> None:
    path = small_run.fold(0) / "model.ckpt"
    ours, theirs = checkpoints.load_model(path), ImageModule.load_from_checkpoint(path, weights_only=True).eval()
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(ours.predict_step({"images": images}), theirs.predict_step({"images": images}))


def test_normalisation_is_learned_from_the_training_fold_alone(small_run: kit.Run, digits: Path) -> None:
    facts = load("digits").competition
    train = facts.tables(digits).train.iloc[:300]
    folds = frames.read_csv((small_run.path / "folds.csv").read_bytes(), "folds").set_index("id")["fold"]
    rows = train.loc[folds.index[folds != "1"]]
    pixels = facts.inputs.load(digits, rows, "train", 0).rows / 255
    module = checkpoints.load_model(small_run.fold(1) / "model.ckpt")
    assert float(module.mean) == pytest.approx(pixels.mean(), abs=1e-6)
    assert float(module.std) == pytest.approx(pixels.std(), abs=1e-6)


def test_target_scaling_is_learned_from_the_given_rows() -> None:
    y = RNG.normal(50, 7, (100, 2)).astype(np.float32)
    module = make(Config(width=4), Numbers(("a", "b")), 1, 8, False, 1)
    module.learn(np.zeros((100, 8, 8, 1), np.uint8), np.arange(100), y)
    assert np.allclose(module.shift, y.mean(axis=0)) and np.allclose(module.scale, y.std(axis=0))


def test_the_average_of_weights_starts_fast_and_forgets_the_start() -> None:
    module = make(Config(width=4, ema=0.9), OneOf("x", ("a", "b")), 1, 8, False, 1)
    weight, averaged = module.net[-1].weight, module.averaged.module[-1].weight
    expected = None
    for step in range(30):
        with torch.no_grad():
            weight.fill_(float(step))
        module.on_train_batch_end(None, {"last": True}, 0)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = float(step) if expected is None else decay * expected + (1 - decay) * step
    assert averaged.mean().item() == pytest.approx(expected, rel=1e-5)


def test_without_averaging_the_last_weights_predict() -> None:
    module = make(Config(width=4, ema=0.0), OneOf("x", ("a", "b")), 1, 8, False, 1)
    assert module.averaged is None and module.predictor is module.net


def test_views_are_averaged_in_one_forward_pass() -> None:
    module = make(Config(width=4, views=3, precision="fp32"), OneOf("x", ("a", "b")), 1, 8, False, 1).eval()
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    with torch.inference_mode():
        one_by_one = torch.stack([module(view.do(images.float())) for view in module.views]).mean(dim=0)
        assert torch.allclose(module.predict_step({"images": images}), one_by_one, atol=1e-6)


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16"), ((6, 0), "fp16")])
def test_a_gpu_gets_bf16_only_where_it_is_native(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    chosen = devices.choose(Config())
    assert (chosen.devices, chosen.precision, chosen.layout) == ("gpu", precision, "channels_last")
    assert devices.choose(Config(precision="fp32")).precision == "fp32"


def test_training_that_diverges_says_where(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(kit.Diverged, match=r"fold 0 of 3, epoch 1, step \d+: the loss is (nan|inf)"):
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **{**SMALL, "lr": 1e30, "optimizer": "sgd", "batch": 16})
    assert kit.load(tmp_path / "run").info["status"] == "failed"


def test_sgd_trains(digits: Path, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, optimizer="sgd", lr=0.05, width=8, epochs=3, folds=2)
    assert run.scores["oof"] > 0.5


def inked(n: int, top: int = 10, left: int = 20) -> np.ndarray:
    """White pictures 40×90 with ink in a box of 6×30 pixels."""
    images = np.full((n, 40, 90, 1), 255, np.uint8)
    images[:, top : top + 6, left : left + 30] = RNG.integers(0, 256, (n, 6, 30, 1))
    return images


def test_the_ink_box_is_learned_from_the_training_rows_alone() -> None:
    images = inked(20)
    images[15:] = 0  # rows that are not trained on
    assert ink_box(images, np.arange(15)) == (10 - MARGIN, 16 + MARGIN, 20 - MARGIN, 50 + MARGIN)
    with pytest.raises(kit.BadData, match="all the same"):
        ink_box(images, np.arange(15, 20))


@pytest.mark.parametrize("model", ["convnet", "strip", "resnet18"])
def test_a_cropped_net_sees_the_box_and_nothing_else(model: str) -> None:
    images, y = inked(12), RNG.normal(size=(12, 1)).astype(np.float32)
    module = make(Config(model=model, width=4, crop="ink", layout="contiguous"), Numbers(("v",)), 1, 40, False, 1)
    module.learn(images, np.arange(12), y)
    module.eval()
    elsewhere = images.copy()
    elsewhere[:, 30:, 60:] = 0
    with torch.inference_mode():
        one, other = (module.predict_step(module.gather(some, np.arange(12))) for some in (images, elsewhere))
    assert torch.isfinite(one).all() and torch.equal(one, other)


def test_a_net_that_does_not_take_the_box_is_refused() -> None:
    module = make(Config(model="vit_tiny_patch16_224", crop="ink"), Numbers(("v",)), 1, 48, False, 1)
    with pytest.raises(kit.Usage, match="vit_tiny_patch16_224 does not take the box"):
        module.learn(inked(4), np.arange(4), np.zeros((4, 1), np.float32))
