"""Weights by name: what a machine has is found under one name in one order, listed with its licence, and never executed."""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

from kit.cli.app import main
from kit.errors import Usage
from kit.storage import weights
from kit.storage.weights import licences, places

ZIP, SAFE = b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{"
NONCOMMERCIAL = "Attribution-NonCommercial 4.0 International\n\n" + "terms " * 200


def held(path: Path, head: bytes = ZIP, size: int = 60_000) -> Path:
    """A file that looks like weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + b"\0" * (size - len(head)))
    return path


def package(site: Path, name: str, inside: dict[str, bytes], about: str = "", licence: str = "") -> None:
    """An installed package of these files, whose import would be noticed."""
    module = name.replace("-", "_")
    files = {f"{module}/__init__.py": b"raise SystemExit('executed')\n", **{f"{module}/{k}": v for k, v in inside.items()}}
    folder = f"{module}-1.0.dist-info"
    files[f"{folder}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{about}".encode()
    files |= {f"{folder}/LICENSE": licence.encode()} if licence else {}
    files[f"{folder}/RECORD"] = "".join(f"{one},,\n" for one in files).encode()
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has weights of every sort, and no others."""
    torch, safe = ZIP + b"\0" * 60_000, SAFE + b"\0" * 60_000
    site, hub, mount = tmp_path / "site", tmp_path / "hf" / "hub", tmp_path / "input"
    package(
        site, "net-weights", {"models/net.pth": torch, "models/tiny.bin": b"PK\x03\x04"}, "License: UNKNOWN\n", "MIT License"
    )
    package(site, "two-nets", {"a.pth": torch, "b.pth": torch}, "License-Expression: CC-BY-NC-4.0\n")
    package(site, "no-nets", {"data.bin": b"text" * 60_000, "paths.pth": b"import os" * 9_000})
    bert = {
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": safe,
        "README.md": b"---\nlicense: apache-2.0\n---\n",
    }
    package(site, "text-net", {f"model/{k}": v for k, v in bert.items()} | {"model/2_Dense/model.safetensors": safe},
            "Classifier: License :: OSI Approved :: MIT License\n")  # fmt: skip
    old, new = (hub / "models--timm--resnet18.a1_in1k" / "snapshots" / one for one in ("old", "new"))
    for snapshot in (old, new):
        held(snapshot / "model.safetensors", SAFE)
        (snapshot / "config.json").write_text('{"architecture": "resnet18"}')
    os.utime(old, (1, 1))
    held(tmp_path / "torch" / "hub" / "checkpoints" / "resnet18-5c106cde.pth")
    held(mount / "models" / "someone" / "convnet" / "pytorch" / "tiny" / "1" / "net.pt")
    held(mount / "backbones" / "net.pth")
    held(mount / "datasets" / "someone" / "others" / "x.pth")
    (mount / "backbones" / "LICENSE").write_text(NONCOMMERCIAL)
    held(mount / "competitions" / "digits" / "trap.pth")
    monkeypatch.setattr(sys, "path", [str(site)])
    importlib.invalidate_caches()
    places._distributions.cache_clear()
    for name, value in {"HF_HOME": hub.parent, "TORCH_HOME": tmp_path / "torch", "KIT_MOUNT": mount}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    yield tmp_path  # type: ignore[misc]
    places._distributions.cache_clear()


FOUND = {
    "net-weights": "site/net_weights/models/net.pth",
    "net_weights": "site/net_weights/models/net.pth",
    "text-net": "site/text_net/model",
    "someone/convnet": "input/models/someone/convnet/pytorch/tiny/1/net.pt",
    "convnet": "input/models/someone/convnet/pytorch/tiny/1/net.pt",
    "someone/convnet/pytorch/tiny/1": "input/models/someone/convnet/pytorch/tiny/1/net.pt",
    "backbones": "input/backbones/net.pth",
    "others": "input/datasets/someone/others/x.pth",
    "someone/others": "input/datasets/someone/others/x.pth",
    "timm/resnet18.a1_in1k": "hf/hub/models--timm--resnet18.a1_in1k/snapshots/new",
    "resnet18-5c106cde.pth": "torch/hub/checkpoints/resnet18-5c106cde.pth",
}


@pytest.mark.parametrize("name", FOUND)
def test_a_name_leads_to_its_file_or_folder(name: str, machine: Path) -> None:
    assert weights.find(name) == machine / FOUND[name]


def test_a_path_comes_before_a_package_and_a_package_before_kaggle_and_one_without_weights_hides_nothing(machine: Path) -> None:
    other = held(machine / "input" / "net-weights" / "other.pth")
    assert weights.find("net-weights") == machine / FOUND["net-weights"]
    mine = held(Path("net-weights"))
    assert weights.find("net-weights") == mine
    assert weights.find(str(other)) == other
    assert weights.find("no-nets" if held(machine / "input" / "no-nets" / "x.pth") else "") == machine / "input/no-nets/x.pth"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net-weigths", r"no file, folder, installed package or name on Kaggle\. Did you mean 'net-weights'\? `kit weights`"),
        ("hubb", "Did you mean 'hub'"),
        ("./nowhere", "no such file"),
        ("nowhere.pth", "no such file"),
        ("no-nets", "the package no-nets holds no weights"),
        ("two-nets", r"holds '.*a\.pth', '.*b\.pth': name the one that is meant"),
        ("../site", "no such file"),
        ("*", "no file, folder"),
    ],
)
def test_a_name_that_means_nothing_or_two_things_is_refused_in_one_line(name: str, words: str, machine: Path) -> None:
    with pytest.raises(Usage, match=words) as caught:
        weights.find(name)
    assert str(caught.value).startswith(f"--weights {name}: ") and "\n" not in str(caught.value)


def test_every_name_that_is_listed_is_found_and_says_its_licence(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["weights"]
    assert all(weights.find(one["name"]) == Path(one["path"]) for one in listed)
    short = {one["name"].removeprefix(str(machine)): one for one in listed}
    assert [one for one in FOUND if one in short] == [
        "net-weights", "text-net", "someone/convnet", "backbones", "others", "timm/resnet18.a1_in1k", "resnet18-5c106cde.pth"
    ]  # fmt: skip
    assert {name: one["licence"] for name, one in short.items()} == {
        "net-weights": "MIT", "text-net": "apache-2.0", "/site/two_nets/a.pth": "CC-BY-NC-4.0",
        "/site/two_nets/b.pth": "CC-BY-NC-4.0", "someone/convnet": "", "backbones": "CC-BY-NC", "others": "",
        "timm/resnet18.a1_in1k": "", "resnet18-5c106cde.pth": "",
    }  # fmt: skip
    assert [name for name, one in short.items() if not one["commercial"]] == [
        "/site/two_nets/a.pth", "/site/two_nets/b.pth", "backbones"
    ]  # fmt: skip
    assert (short["text-net"]["architecture"], short["timm/resnet18.a1_in1k"]["architecture"]) == ("bert", "resnet18")
    assert main(["weights"]) == 0
    table = capsys.readouterr().out
    assert "CC-BY-NC (no commercial use)" in table and "not known" in table and "trap" not in table


def test_a_run_says_file_size_checksum_and_what_a_licence_forbids(machine: Path) -> None:
    first, second = weights.remarks("backbones")
    assert first.startswith("--weights backbones: net.pth, 0.1 MB, checksum ") and first.endswith("licence CC-BY-NC")
    assert second == "--weights: the licence CC-BY-NC forbids commercial use, also of a model that is made from them"
    before = weights.remarks("convnet")
    held(machine / FOUND["convnet"], ZIP + b"changed")
    assert len(before) == 1 and before != weights.remarks("convnet")


def test_a_machine_without_weights_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "everywhere", list)
    assert main(["weights"]) == 0
    assert "--weights hub" in capsys.readouterr().out


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "cc-by-nc-sa-4.0", "FAIR Noncommercial Research License", "research-only"])
def test_a_licence_that_forbids_commerce_is_known_by_its_name(licence: str) -> None:
    assert licences.forbids_commerce(licence)


@pytest.mark.parametrize("licence", ["", "Apache-2.0", "MIT", "CC-BY-SA-4.0", "GPL", "ncsa", "OpenRAIL", "Llama 3 Community"])
def test_no_other_licence_is_said_to(licence: str) -> None:
    assert not licences.forbids_commerce(licence)


def test_pictures_beside_are_not_looked_through(tmp_path: Path) -> None:
    many = tmp_path / "train"
    many.mkdir()
    for i in range(places.MOST_ENTRIES + 5):
        (many / f"{i:05d}.jpg").touch()
    held(many / "zz.pth")
    held(tmp_path / "net.pth")
    assert places.holders(tmp_path, 3)[0] == (tmp_path, ["net.pth"])
