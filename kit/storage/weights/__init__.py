"""Weights: what `--weights NAME` means on this machine, from a name to a file or folder. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.errors import Usage, did_you_mean, listed
from kit.storage import files
from kit.storage.weights import licences, places

HUB = "hub"  # what `--weights` says for a download
STANDARD = ("model.safetensors", "pytorch_model.bin")  # of the files in a folder, these are meant
FOREIGN = (".h5", ".msgpack", ".onnx", ".ot", ".npz", ".gguf")  # weights for other programs
SEE = "`kit weights` lists what is here."


@dataclass(frozen=True)
class Weights:
    """Pretrained weights on this machine.

    `name`: what `--weights` takes; `kind`: the sort of place (`package`, `Kaggle`, `Hugging Face cache`, `torch cache`);
    `path`: their file, or their folder where that is a model with its configuration; `size`: bytes of the weights.
    """

    name: str
    kind: str
    path: Path
    size: int
    architecture: str
    licence: str

    @property
    def commercial(self) -> bool:
        """May they be used commercially, as far as the licence's name tells?"""
        return not licences.forbids_commerce(self.licence)

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "path": str(self.path), "commercial": self.commercial}


def here() -> list[Weights]:
    """All weights that a name stands for, in the order in which a name is looked up; a place that is hidden by an
    earlier one of its name is named by its path."""
    found: dict[str, Weights] = {}
    for place in places.everywhere():
        for folder, inside in places.holders(place.root, places.WITHIN, place.only):
            whole = places.is_model(folder) or set(inside) & set(STANDARD)
            for path in [folder] if whole else [folder / name for name in inside]:
                clear = place.name not in found and _one(place) is not None
                name = place.name if clear else str(path)
                found.setdefault(name, _described(name, place.kind, path, place.package))
    return list(found.values())


def find(name: str) -> Path:
    """The file, or the folder with a model's configuration, that `--weights NAME` means.

    A path on this disk comes first, then an installed package, a name on Kaggle, a cache of a hub, in this order. Raises Usage
    where the name is none of these, or stands for several.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    bare = ""
    for place in places.named(name):
        inside = _one(place)
        if inside is not None:
            return inside
        held = [str(folder / one) for folder, some in places.holders(place.root, places.WITHIN, place.only) for one in some]
        if held:
            raise Usage(f"--weights {name}: holds {listed(held)}: name the one that is meant.")
        where = f"the package {place.package}" if place.package else str(place.root)
        bare = bare or f"--weights {name}: {where} holds no weights ({', '.join(places.SUFFIXES)}). {SEE}"
    if bare:
        raise Usage(bare)
    if path.suffix in places.SUFFIXES or name.startswith((".", "~")) or path.is_absolute():
        raise Usage(f"--weights {name}: no such file. {SEE}")
    hint = did_you_mean(name, [HUB, *(place.name for place in places.everywhere())])
    raise Usage(f"--weights {name}: no file, folder, installed package or name on Kaggle.{hint} {SEE}")


def file_in(path: Path) -> Path:
    """The file of weights: itself, or that of the usual name in a folder, or the only one.

    Raises Usage for a folder without weights, or with several.
    """
    if not path.is_dir():
        return path
    inside = places.listing(path)
    chosen = next((one for one in STANDARD if one in inside), inside[0] if len(inside) == 1 else "")
    if chosen:
        return path / chosen
    if inside:
        raise Usage(f"--weights {path}: holds {listed(inside)}: name the one that is meant.")
    below = places.holders(path, places.WITHIN)
    if len(below) == 1:
        return file_in(below[0][0])
    others = f"; below it are {listed(folder for folder, _ in below)}" if below else ""
    raise Usage(f"--weights {path}: no {', '.join(STANDARD)} or other weights in it{others}. {SEE}")


def parts(folder: Path) -> list[Path]:
    """What of a model's folder is needed to load it: the weights in one format, and all that is not weights."""
    others = [one for one in folder.iterdir() if one.is_file() and one.suffix not in (*places.SUFFIXES, *FOREIGN)]
    return sorted([*_files(folder), *(one for one in others if not one.name.startswith("."))])


def about(name: str) -> Weights:
    """What is known of the weights that `--weights NAME` means. Raises Usage as `find` does."""
    path = find(name)
    if not Path(name).expanduser().exists():
        place = next(one for one in places.named(name) if _one(one) == path)
        return _described(name, place.kind, path, place.package)
    return _described(name, "folder" if path.is_dir() else "file", path, "")


def remarks(name: str) -> list[str]:
    """What a run says of the weights that it begins with: the file, its size and checksum, its licence."""
    known = about(name)
    inside = _files(known.path)
    digest = files.fingerprint(inside[0].parent, inside) if inside else ""
    what = inside[0].name if len(inside) == 1 else f"{len(inside)} files"
    said = f"--weights {name}: {what}, {megabytes(known.size)}, checksum {digest}, licence {known.licence or 'not known'}"
    return [said, *forbidden(known.licence)]


def forbidden(licence: str) -> list[str]:
    """A line where a licence forbids commercial use."""
    return [licences.FORBIDDEN.format(licence=licence)] if licences.forbids_commerce(licence) else []


def megabytes(size: int) -> str:
    """A size in bytes as people read it: `17.4 MB`."""
    return f"{size / 1e6:,.1f} MB"


def _one(place: places.Place) -> Path | None:
    """The one file or model that a place holds; None where there are none or several."""
    held = places.holders(place.root, places.WITHIN, place.only)
    if len(held) != 1:
        return None
    folder, inside = held[0]
    if places.is_model(folder) or set(inside) & set(STANDARD):
        return folder
    return folder / inside[0] if len(inside) == 1 else None


def _files(path: Path) -> list[Path]:
    """The files of weights that a path means: itself, that of the usual name in a folder, or all of them."""
    if path.is_file():
        return [path]
    inside = places.listing(path)
    return [path / one for one in [one for one in STANDARD if one in inside][:1] or inside]


def _described(name: str, kind: str, path: Path, package: str) -> Weights:
    folder = path if path.is_dir() else path.parent
    licence = licences.card(folder) if kind == "file" else licences.of(folder, package)  # a file may lie among anything
    size = sum(one.stat().st_size for one in _files(path))
    return Weights(name, kind, path, size, places.architecture(folder), licence)
