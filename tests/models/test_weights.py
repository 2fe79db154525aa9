"""Weights: those of the model are loaded whatever they are wrapped in, and all others are refused with a code and a way out."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import flags
from test_transfer import KNOBS, State, backbone, make, predictor, same

from kit import competition as competitions
from kit.cli.app import main
from kit.competition import synthetic
from kit.config import Config
from kit.errors import BadData, KitError, Unreachable, Usage
from kit.models import networks, state_dicts
from kit.models.images.image_module import ImageModule


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a resnet18 for a thousand classes, in the usual wrappings, with nothing in it as timm makes it."""
    import timm
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    generator = torch.Generator().manual_seed(3)
    state = timm.create_model("resnet18").state_dict()
    for one in state.values():
        one.copy_(torch.rand(one.shape, generator=generator) if one.ndim else torch.tensor(7))
    save_file(state, folder / "a.safetensors")
    torch.save(state, folder / "b.pth")
    torch.save({"state_dict": {f"module.{name}": one for name, one in state.items()}, "epoch": 3}, folder / "c.pth")
    torch.save({"model": state}, folder / "d.pt")
    (folder / "dir").mkdir()
    save_file(state, folder / "dir" / "model.safetensors")
    torch.save(timm.create_model("resnet34").state_dict(), folder / "resnet34.pth")
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), folder / "mobile.pth")
    torch.save({name: one for name, one in state.items() if "layer4" not in name}, folder / "partial.pth")
    torch.save({f"encoder.{name}": state[name] for name in reversed(state)}, folder / "unlike.pth")
    thin = {name: one[: max(1, len(one) // 2)] if one.ndim else one for name, one in state.items()}
    torch.save(thin, folder / "thin.pth")
    (folder / "garbage.pth").write_bytes(b"\x8b" * 1000)
    (folder / "half.safetensors").write_bytes((folder / "a.safetensors").read_bytes()[:100_000])
    (folder / "half.pth").write_bytes((folder / "b.pth").read_bytes()[:100_000])
    (folder / "empty.safetensors").write_bytes(b"")
    torch.save([1, 2], folder / "list.pth")
    (folder / "bare").mkdir()
    return folder


IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


def begun(path: Path, channels: int = 3, model: str = "resnet18") -> tuple[State, ImageModule]:
    """A module's state when it was new, and the module once it has learned of these weights."""
    module = make(Config(model=model, weights=str(path), width=4), channels)
    before = {name: one.clone() for name, one in module.net.state_dict().items()}
    module.learn(IMAGES[..., :channels], np.arange(8), np.arange(8) % 5)
    return before, module


@pytest.mark.parametrize("name", ["a.safetensors", "b.pth", "c.pth", "d.pt", "dir"])
def test_weights_of_every_wrapping_are_loaded_but_for_the_head(name: str, weights: Path) -> None:
    wanted = torch.load(weights / "b.pth", weights_only=True)
    before, module = begun(weights / name)
    after, names = module.net.state_dict(), backbone(module)
    assert len(names) > 100 and same(after, wanted, names) == names
    assert before["fc.weight"].any() and after["fc.weight"].shape == (5, 512)  # 1,000 classes in the file
    assert not after["fc.weight"].any() and not after["fc.bias"].any()
    assert same(predictor(module), after, set(after)) == list(set(after))
    assert module.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])  # the model's own, not the pictures'
    assert module.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])


def test_grey_pictures_take_the_sum_of_the_colours_filters(weights: Path) -> None:
    wanted = torch.load(weights / "b.pth", weights_only=True)
    _, module = begun(weights / "b.pth", channels=1)
    after = module.net.state_dict()
    assert torch.allclose(after["conv1.weight"], wanted["conv1.weight"].sum(dim=1, keepdim=True), atol=1e-5)
    names = [name for name in backbone(module) if name != "conv1.weight"]
    assert same(after, wanted, names) == names
    assert float(module.mean) == pytest.approx(IMAGES[..., 0].mean() / 255, abs=1e-4)


def renamed(state: State) -> State:
    """A state dict with another program's names in the same order, for seven classes, without counters of batches."""
    other = {f"layer.{i}.{name.rpartition('.')[2]}": one for i, (name, one) in enumerate(state.items())
             if not name.endswith("num_batches_tracked")}  # fmt: skip
    head = list(other)[-2:]
    return {name: one[:7] if name in head else one for name, one in other.items()}


@pytest.mark.parametrize("channels", [3, 1])
def test_tensors_of_other_names_are_taken_in_their_order(weights: Path, tmp_path: Path, channels: int) -> None:
    wanted = torch.load(weights / "b.pth", weights_only=True)
    torch.save(renamed(wanted), tmp_path / "other.pth")
    _, module = begun(tmp_path / "other.pth", channels)
    names = [name for name in backbone(module) if name != "conv1.weight" and not name.endswith("num_batches_tracked")]
    assert len(names) > 90 and same(module.net.state_dict(), wanted, names) == names
    summed = wanted["conv1.weight"].sum(dim=1, keepdim=True) if channels == 1 else wanted["conv1.weight"]
    assert torch.allclose(module.net.state_dict()["conv1.weight"], summed, atol=1e-5)
    file, order, *grey = ImageModule.remarks(module.config, channels)
    assert file.startswith(f"--weights {tmp_path / 'other.pth'}: other.pth, ") and file.endswith("licence not known")
    assert order == (
        "--weights: 102 tensors have other names and are taken in their order: "
        "layer.0.weight → conv1.weight … layer.121.bias → fc.bias"
    )
    assert [("the pictures are grey" in one) for one in grey] == [True] * (channels == 1)


def test_tensors_in_another_order_or_with_other_ends_are_not_taken(weights: Path) -> None:
    own = torch.load(weights / "b.pth", weights_only=True)
    other, head, stem = renamed(own), ["fc.weight", "fc.bias"], ["conv1.weight"]
    order = state_dicts.in_order(other, own, head, stem)
    assert order and order["layer1.0.bn1.running_var"] == "layer.10.running_var"
    assert state_dicts.in_order(dict(list(other.items())[:-2]), own, head, stem)  # without a head
    names = list(other)
    swapped = [names[0], names[2], names[1], *names[3:]]  # a bias where the weight was: the same shape
    assert state_dicts.in_order({name: other[name] for name in swapped}, own, head, stem) is None
    assert state_dicts.in_order({name: other[name] for name in reversed(names)}, own, head, stem) is None
    assert state_dicts.in_order(dict(list(other.items())[1:]), own, head, stem) is None
    assert state_dicts.in_order(own, own, head, stem) is None  # the names are its own


@pytest.mark.parametrize(
    "prefix",
    ["module.", "model.", "backbone.", "_orig_mod.", "model._orig_mod.", "module.model.backbone.", "_orig_mod.module."],
)
def test_what_wrappers_put_before_names_is_removed(prefix: str, weights: Path, tmp_path: Path) -> None:
    wanted = torch.load(weights / "b.pth", weights_only=True)
    state = {f"{prefix}{name}": one for name, one in wanted.items()} | {"criterion.weight": torch.ones(5)}
    torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 0.1}}, tmp_path / "last.ckpt")
    _, module = begun(tmp_path / "last.ckpt")
    names = backbone(module)
    assert same(module.net.state_dict(), wanted, names) == names
    assert len(ImageModule.remarks(module.config, 3)) == 1  # nothing was taken by order


def test_timms_list_of_every_name_is_not_printed(weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state = torch.load(weights / "b.pth", weights_only=True)
    torch.save({**state, "aux.weight": torch.ones(2, 2)}, tmp_path / "more.pth")
    begun(tmp_path / "more.pth")
    assert capfd.readouterr().err == ""


def test_a_licence_that_forbids_commerce_is_said_of_the_hubs_weights_too() -> None:
    fetched, said = ImageModule.remarks(Config(model="convnextv2_atto", weights="hub"), 3)
    assert fetched.startswith("--weights hub: when the first fold begins, the weights of convnextv2_atto are fetched")
    assert "cc-by-nc" in said and "forbids commercial use" in said
    assert len(ImageModule.remarks(Config(model="resnet18", weights="hub"), 3)) == 1


REFUSED: list[tuple[str, type[KitError], str]] = [
    ("nowhere.pth", Usage, "no such file"),
    ("bare", Usage, "no model.safetensors"),
    ("garbage.pth", BadData, "not weights that can be read safely"),
    ("half.safetensors", BadData, "not weights that can be read safely.*whole download"),
    ("half.pth", BadData, "not weights that can be read safely.*whole download"),
    ("empty.safetensors", BadData, "not weights that can be read safely"),
    ("list.pth", BadData, "holds no state dict"),
    ("resnet34.pth", Usage, "not the weights of resnet18|another model's|a deeper model's"),
    ("mobile.pth", Usage, "not the weights of resnet18|another model's|a deeper model's"),
    ("unlike.pth", Usage, "not the weights of resnet18|another model's|a deeper model's"),
    (
        "thin.pth",
        Usage,
        "100 tensors have another shape, first conv1.weight: 32×3×7×7 instead of 64×3×7×7",
    ),
    ("partial.pth", Usage, "not the weights of resnet18|another model's|a deeper model's"),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("name", "kind", "words"), REFUSED)
def test_weights_that_are_none_or_another_models_are_refused(
    name: str, kind: type[KitError], words: str, weights: Path
) -> None:
    with pytest.raises(kind, match=f"(?s)--weights .*{name}.*({words})") as caught:
        begun(weights / name)
    assert caught.value.code == {Usage: 2, BadData: 65}[kind]
    assert len(str(caught.value).splitlines()) <= 2 and len(str(caught.value)) < 400
    with pytest.raises(kind, match=f"(?s)--weights .*{name}.*({words})"):  # a run asks before it reads any row
        ImageModule.remarks(Config(model="resnet18", weights=str(weights / name)), 3)


def test_the_kits_own_nets_have_no_weights(weights: Path) -> None:
    for model in networks.OWN:
        with pytest.raises(Usage, match=rf"--weights: {model} is the kit's own net.*--from"):
            begun(weights / "b.pth", model=model)


def test_a_hub_out_of_reach_is_said_with_what_to_do_instead(
    unreachable: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    logging.getLogger("huggingface_hub").addHandler(caplog.handler)  # it hands nothing up
    with pytest.raises(Unreachable, match=r"--weights hub: no weights of resnet18 .*\n.*--weights FILE\|DIR") as caught:
        begun(Path("hub"))
    assert caught.value.code == 69 and len(str(caught.value).splitlines()) <= 3
    logging.getLogger("huggingface_hub").removeHandler(caplog.handler)
    assert not caplog.records  # of each try that the hub's client made


def test_on_the_command_line_wrong_weights_end_with_code_65(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic.fabricate(competitions.load("cifar10").competition, tmp_path / "data", train=40, test=4)
    words = flags({key: one for key, one in KNOBS.items() if key != "quiet"})
    out = ["--out", str(tmp_path / "run"), "--model", "resnet18", "--weights", str(weights / "garbage.pth")]
    assert main(["run", "cifar10", "--data", str(tmp_path / "data"), *out, *words]) == 65
    said = capsys.readouterr().err
    assert "--weights" in said and "Traceback" not in said


def test_a_folder_of_weights_prefers_the_usual_names(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "z.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert state_dicts.read(str(tmp_path))["a"] == 1


def test_of_two_files_of_weights_none_is_chosen_in_silence(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth"):
        torch.save({"a": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(Usage, match=r"holds '.*a\.pth', '.*b\.pth': name the one that is meant"):
        state_dicts.read(str(tmp_path))


def test_weights_of_a_fit_that_diverged_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1), "b": torch.tensor([0, float("nan")]), "n": torch.tensor(3)}, tmp_path / "a.pth")
    with pytest.raises(BadData, match=r"a\.pth: NaN or infinity in 'b': from a fit that diverged"):
        state_dicts.read(str(tmp_path / "a.pth"))
