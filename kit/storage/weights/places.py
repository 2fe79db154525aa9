"""Places: where a machine keeps pretrained weights: installed packages, Kaggle's input, the caches of hubs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from itertools import islice
from pathlib import Path

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
SMALLEST = 50_000  # bytes; less is no backbone's
MOST_ENTRIES = 2_000  # of a folder that are looked at: where there are more, they are pictures
WITHIN = 5  # folders between a name and its weights, as in kaggle/input/models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION
KAGGLE = "Kaggle"
OTHERS = ("optimizer", "training_args", "scheduler", "rng_state")  # files of a training, which hold no network


@dataclass(frozen=True)
class Place:
    """A folder with weights, under the name that `--weights` takes. `package`: the distribution whose it is; `only`: the
    files that belong to it, where the folder is shared."""

    name: str
    kind: str
    root: Path
    package: str = ""
    only: tuple[Path, ...] = ()


def everywhere() -> list[Place]:
    """All places of this machine that hold weights, in the order in which names are looked up."""
    return [*_packages(), *(one for one in _kaggle() if holders(one.root, WITHIN)), *_hugging_face(), *_torch()]


def named(name: str) -> Iterator[Place]:
    """The places of this name, the first first: a package without weights is one too."""
    try:
        found = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        pass
    else:
        yield _package(found, name)
    for part in ("models", "models/*", "", "datasets", "datasets/*"):
        some = sorted(one for one in mount().glob(f"{part}/{name}".strip("/")) if one.is_dir()) if _plain(name) else []
        yield from (Place(name, KAGGLE, one) for one in some)
    yield from (one for one in [*_hugging_face(), *_torch()] if one.name == name)


def mount() -> Path:
    """Kaggle's input folder; `$KIT_MOUNT` elsewhere."""
    return Path(os.environ.get("KIT_MOUNT", "/kaggle/input"))


def is_model(folder: Path) -> bool:
    """Does a folder hold a model's configuration beside its weights, as Hugging Face saves them?"""
    return (folder / "config.json").is_file()


def architecture(folder: Path) -> str:
    """What a model's configuration calls it (`resnet18`, `bert`); empty where none says so."""
    try:
        stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(stated.get("architecture") or stated.get("model_type") or "") if isinstance(stated, dict) else ""


def listing(folder: Path) -> list[str]:
    """The files of a folder that are weights by their names, whatever is in them."""
    return sorted(one.name for one in folder.iterdir() if one.suffix in SUFFIXES and not one.name.startswith(OTHERS))


def holders(root: Path, depth: int, only: tuple[Path, ...] = ()) -> list[tuple[Path, list[str]]]:
    """The folders from `root` down, at most `depth` deep, that hold files of weights, and the files' names, sorted."""
    if only:
        folders = dict.fromkeys(path.parent for path in only)
        return [(folder, sorted(path.name for path in only if path.parent == folder)) for folder in folders]
    if root.is_file():
        return [(root.parent, [root.name])] if is_weights(root) else []
    try:
        with os.scandir(root) as entries:
            inside = sorted(islice(entries, MOST_ENTRIES), key=lambda one: one.name)
        held = [one.name for one in inside if one.name.endswith(SUFFIXES) and is_weights(Path(one.path))]
        deeper = depth > 1 and not (held and is_model(root))  # a model's own folders hold its parts
        below = [Path(one.path) for one in inside if deeper and one.is_dir() and not one.name.startswith(".")]
    except OSError:
        return []
    return [*([(root, held)] if held else []), *(one for folder in below for one in holders(folder, depth - 1))]


def is_weights(path: Path) -> bool:
    """Is a file one of weights, by its first bytes: a zip or pickle of torch, or safetensors? Path lists (.pth) are not."""
    try:
        if path.name.startswith(OTHERS) or path.suffix not in SUFFIXES or path.stat().st_size < SMALLEST:
            return False
        with path.open("rb") as file:
            head = file.read(9)
    except OSError:
        return False
    return head[8:9] == b"{" if path.suffix == ".safetensors" else head.startswith((b"PK\x03\x04", b"\x80"))


@lru_cache(maxsize=1)
def _distributions() -> tuple[metadata.Distribution, ...]:
    """Packages whose list of files names weights, of several of a name the one that is imported; once a process.

    The lists are searched as text: taken apart, those of 150 packages took three times as long.
    """
    marks = tuple(f"{suffix}," for suffix in SUFFIXES)
    found: dict[str, metadata.Distribution] = {}
    for one in metadata.distributions():
        if any(mark in (one.read_text("RECORD") or "") for mark in marks):
            found.setdefault(one.metadata["Name"], one)
    return tuple(found.values())


def _packages() -> list[Place]:
    found = [_package(one, one.metadata["Name"]) for one in _distributions()]
    return sorted((one for one in found if one.only), key=lambda place: place.name)


def _package(found: metadata.Distribution, name: str) -> Place:
    """A package's files of weights. It is not imported: nothing in it is executed."""
    paths = [Path(str(found.locate_file(one))) for one in found.files or [] if one.name.endswith(SUFFIXES)]
    held = sorted(path for path in paths if is_weights(path))
    models = {path.parent for path in held if is_model(path.parent)}
    only = tuple(path for path in held if models.isdisjoint(path.parent.parents))  # a model's own folders hold its parts
    return Place(name, "package", only[0].parent if only else Path(name), found.metadata["Name"], only)


def _kaggle() -> list[Place]:
    """Models as OWNER/MODEL, datasets by their slug; competitions' folders hold none."""
    models = [Place("/".join(one.parts[-2:]), KAGGLE, one) for one in sorted(mount().glob("models/*/*")) if one.is_dir()]
    plain = [one for one in sorted(mount().glob("*")) if one.name not in ("models", "datasets", "competitions")]
    datasets = [*plain, *sorted(mount().glob("datasets/*/*"))]
    return [*models, *(Place(one.name, KAGGLE, one) for one in datasets if one.is_dir())]


def _hugging_face() -> list[Place]:
    """Models in the cache of Hugging Face's hub as OWNER/MODEL, each by the version that was fetched last."""
    environ = os.environ
    home = Path(environ.get("HF_HOME") or Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface")
    cache = Path(environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub")
    found = []
    for folder in sorted(cache.glob("models--*")):
        versions = sorted(folder.glob("snapshots/*"), key=lambda one: one.stat().st_mtime)
        if versions and holders(versions[-1], 2):
            found.append(Place("/".join(folder.name.split("--")[1:]), "Hugging Face cache", versions[-1]))
    return found


def _torch() -> list[Place]:
    """Files in the cache of torch's hub, each by its name."""
    environ = os.environ
    home = Path(environ.get("TORCH_HOME") or Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch")
    paths = sorted((home / "hub" / "checkpoints").glob("*"))
    return [Place(one.name, "torch cache", one) for one in paths if is_weights(one)]


def _plain(name: str) -> bool:
    """Is a name one below a folder, and no pattern?"""
    return ".." not in Path(name).parts and not Path(name).is_absolute() and not set(name) & set("*?[")
