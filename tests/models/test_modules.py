"""The shared module, its networks, and the device that is chosen for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SMALL
from sklearn import metrics as sk
from test_reading import LABELS as READING

import kit
from kit.competition import load, synthetic
from kit.config import Config
from kit.data import tokenization
from kit.labels import Columns, Labels, Numbers, OneOf, to_json
from kit.labels.evaluation import tracked
from kit.models import devices, networks, registry
from kit.models.base import FoldModel
from kit.models.batch import Batch
from kit.models.images.image_module import MARGIN, ImageModule, ink_box
from kit.models.images.reader_module import ReaderModule
from kit.models.tables.lightgbm_module import LightGBMModule
from kit.models.tables.mlp_module import MLPModule
from kit.models.tables.tabm_module import TabMModule
from kit.models.texts.ngram_module import NgramModule
from kit.models.texts.transformer_module import TransformerModule
from kit.storage import frames
from kit.training import checkpoints

RNG = np.random.default_rng(0)


def made(config: Config, labels: Labels, side: int = 8) -> ImageModule:
    """A new module of grey pictures."""
    return ImageModule.of(config, labels, np.zeros((1, side, side, 1), np.uint8), steps=1)


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
        registry.make(Config(model="reader"), OneOf("x", ("a", "b")), np.zeros((1, 32, 32, 3), np.uint8), steps=1)


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
    batch = Batch(torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8), None, torch.arange(4))
    with torch.inference_mode():
        assert torch.equal(ours.predict_step(batch), theirs.predict_step(batch))


WORDS = tokenization.Tokenizer("", (1,), (2,), 0, 64).json()
PICTURES = {"channels": 1, "side": 40, "mirror": False, "steps": 7}
BERT = {"model_type": "bert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
EARLIER: list[tuple[str, Labels, dict[str, Any], type[FoldModel]]] = [
    ("convnet", OneOf("x", ("a", "b")), PICTURES, ImageModule),
    ("test_resnet", Numbers(("v",)), {**PICTURES, "mirror": True}, ImageModule),
    ("reader", READING, PICTURES, ReaderModule),
    ("mlp", Columns(("p",)), {"steps": 7}, MLPModule),
    ("tabm", Columns(("p",)), {"steps": 7}, TabMModule),
    ("lightgbm", Columns(("p",)), {"steps": 1}, LightGBMModule),
    ("ngrams", Columns(("p",)), {"steps": 1, "columns": 5, "size": 2}, NgramModule),
    ("tiny", Columns(("p",)), {"architecture": json.dumps(BERT), "tokenizer": WORDS, "steps": 7}, TransformerModule),
]


@pytest.mark.parametrize(("model", "labels", "facts", "kind"), EARLIER, ids=[model for model, *_ in EARLIER])
def test_the_hyperparameters_of_earlier_checkpoints_give_the_same_modules(
    model: str, labels: Labels, facts: dict[str, Any], kind: type[FoldModel]
) -> None:
    held = {"config": Config(model=model, width=4).json(), "labels": to_json(labels), **facts}
    module = registry.rebuilt(held)
    assert type(module) is kind and module.hparams["steps"] == facts["steps"]
    assert module.config.model == model and type(module.labels) is type(labels) and module.labels.columns == labels.columns
    assert registry.saved(module) == held
    again = registry.rebuilt(registry.saved(module))
    again.load_state_dict(module.state_dict())
    assert again.state_dict().keys() == module.state_dict().keys()


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
    module = made(Config(width=4), Numbers(("a", "b")))
    module.learn(np.zeros((100, 8, 8, 1), np.uint8), np.arange(100), y)
    assert np.allclose(module.shift, y.mean(axis=0)) and np.allclose(module.scale, y.std(axis=0))


def test_the_average_of_weights_starts_fast_and_forgets_the_start() -> None:
    module = made(Config(width=4, ema=0.9), OneOf("x", ("a", "b")))
    weight, averaged = module.net[-1].weight, module.averaged.module[-1].weight
    expected = None
    for step in range(30):
        with torch.no_grad():
            weight.fill_(float(step))
        module.on_train_batch_end(None, Batch(None, None, torch.arange(2)), 0)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = float(step) if expected is None else decay * expected + (1 - decay) * step
    assert averaged.mean().item() == pytest.approx(expected, rel=1e-5)


def test_the_averaged_weights_predict_and_the_last_ones_where_they_are_asked_for() -> None:
    module = made(Config(width=4, ema=0.9), OneOf("x", ("a", "b")))
    x = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        module.averaged.module[-1].bias += torch.tensor([3.0, -3.0])
    module.eval()
    assert module(x)[:, 0].min() > 0.9
    with module.last_weights():
        assert module(x)[:, 0].max() < 0.9


def test_without_averaging_the_last_weights_predict() -> None:
    module = made(Config(width=4, ema=0.0), OneOf("x", ("a", "b")))
    assert module.averaged is None and module.predictor is module.net


def test_views_are_averaged_in_one_forward_pass() -> None:
    module = made(Config(width=4, views=3, precision="fp32"), OneOf("x", ("a", "b"))).eval()
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    with torch.inference_mode():
        one_by_one = torch.stack([module(view.do(images.float())) for view in module.views]).mean(dim=0)
        assert torch.allclose(module.predict_step(Batch(images, None, torch.arange(4))), one_by_one, atol=1e-6)


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16"), ((6, 0), "fp16")])
def test_a_gpu_gets_bf16_only_where_it_is_native(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_60", "sm_75", "sm_80", "sm_90"])
    chosen = devices.choose(Config())
    assert (chosen.devices, chosen.precision, chosen.layout) == ("gpu", precision, "channels_last")
    assert devices.choose(Config(precision="fp32")).precision == "fp32"


def test_a_gpu_that_torch_has_no_kernels_for_is_named_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (6, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla P100-PCIE-16GB")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_90", "compute_90"])
    with pytest.raises(kit.Usage, match=r"Tesla P100-PCIE-16GB \(compute capability 6.0\): this torch has no kernels for it"):
        devices.choose(Config())
    assert devices.choose(Config(devices="cpu")).devices == "cpu"


def test_the_maximum_of_a_deterministic_fit_is_the_same() -> None:
    pool, x = networks.GlobalMax(), torch.randint(0, 4, (5, 7, 3, 3)).float().requires_grad_()  # with ties
    found = [pool(x), *torch.autograd.grad(pool(x).square().sum(), x)]
    torch.use_deterministic_algorithms(True)
    try:
        again = [pool(x), *torch.autograd.grad(pool(x).square().sum(), x)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))


def test_what_has_no_deterministic_kernel_is_refused_by_name() -> None:
    config = Config(devices="gpu", deterministic=1)
    wanted = r"--deterministic: ctc_loss_backward_gpu has no such kernel on a GPU\. Leave it out"
    with pytest.raises(kit.Usage, match=wanted), devices.deterministic(config):
        assert torch.are_deterministic_algorithms_enabled()
        raise RuntimeError("ctc_loss_backward_gpu does not have a deterministic implementation, but you set …")
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="another"), devices.deterministic(config):
        raise RuntimeError("another")


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        ("CUDA out of memory. Tried to allocate 20.00 MiB.", True),
        ("CUDA error: out of memory", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("Unable to find a valid cuDNN algorithm to run convolution", True),
        ("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate", True),
        ("CUDA error: device-side assert triggered", False),
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", False),
    ],
)
def test_every_word_for_a_lack_of_memory_is_known(said: str, is_it: bool) -> None:
    assert devices.out_of_memory(RuntimeError(said)) is is_it


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((7, 5), ["sm_75"], True),
        ((8, 6), ["sm_80"], True),  # within a major version the binaries go on
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((10, 0), ["sm_90", "compute_90"], True),  # what is compiled at the start
        ((12, 0), ["sm_120"], True),
        ((9, 0), ["sm_90a"], True),
        ((6, 0), [], True),
    ],
)
def test_which_gpus_torch_has_kernels_for(capability: tuple[int, int], built: list[str], runs: bool) -> None:
    assert devices.has_kernels(capability, built) is runs


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
    module = made(Config(model=model, width=4, crop="ink", layout="contiguous"), Numbers(("v",)), side=40)
    module.learn(images, np.arange(12), y)
    module.eval()
    elsewhere = images.copy()
    elsewhere[:, 30:, 60:] = 0
    with torch.inference_mode():
        one, other = (module.predict_step(module.gather(some, np.arange(12))) for some in (images, elsewhere))
    assert torch.isfinite(one).all() and torch.equal(one, other)


def test_a_net_that_does_not_take_the_box_is_refused() -> None:
    module = made(Config(model="vit_tiny_patch16_224", crop="ink"), Numbers(("v",)), side=48)
    with pytest.raises(kit.Usage, match="vit_tiny_patch16_224 does not take the box"):
        module.learn(inked(4), np.arange(4), np.zeros((4, 1), np.float32))
