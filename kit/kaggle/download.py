"""Download: a competition's files into its folder, resumed where a cut left them, checked by size, whole or not there."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from tqdm import tqdm

from kit.console import say
from kit.errors import BadData, DiskError, Unreachable, quoted
from kit.kaggle.api import SECONDS, Kaggle, slug_of
from kit.kaggle.unpack import unpacked
from kit.storage import archives, files

MANY = 100  # files; more are fetched as one archive
CHUNK = 1 << 18
CUTS = 5  # in a row, without a byte between them
PAUSE = 0.2  # seconds after a cut, doubled at every one in a row
LONGEST = 240  # bytes of a file's name; most disks hold 255, and a part of a file has a longer one
SPARE = 64 << 20  # bytes to leave free


def folder_of(slug: str) -> Path:
    """Where `kit run` will find the files of a competition: `$KIT_DATA/slug`, else `data/slug`."""
    return Path(os.environ.get("KIT_DATA") or "data") / slug


def download(name: str, out: str | Path | None, unpack: bool, seconds: float = SECONDS, quiet: bool = False) -> list[Path]:
    """Fetch what is missing or not as long as it should be; returns every file of the competition.

    Raises Unreachable with Kaggle's reason, DiskError before anything is fetched where it would not fit.
    """
    slug = slug_of(name)
    folder = Path(out) if out else folder_of(slug)
    with Kaggle(slug, seconds, quiet) as kaggle:
        listed = listing(kaggle)
        missing = [file for file in listed or [] if not _there(folder, file)]
        _need_room(folder, sum(file["size"] for file in missing))
        fetched = [fetch(kaggle, folder, name) for name in ([file["name"] for file in missing] if listed else [None])]
    paths = [path for path in (_there(folder, file) for file in listed) if path] if listed else fetched
    for path in paths if unpack else []:
        if path.name.lower().endswith(archives.ARCHIVES):
            unpacked(path, folder, quiet)
    return paths


def listing(kaggle: Kaggle) -> list[dict[str, Any]] | None:
    """Every file with its size, or None where there are more than MANY."""
    files_listed: list[dict[str, Any]] = []
    for page in kaggle.pages("files", slug=kaggle.slug):
        files_listed += page["files"]
        if len(files_listed) > MANY:
            return None
    return files_listed


def fetch(kaggle: Kaggle, folder: Path, name: str | None) -> Path:
    """One file (None: all in one archive) by its link. A partial file of the same version is gone on with."""
    cuts = 0
    while True:
        link = kaggle.call("link", slug=kaggle.slug, name=name)
        path = folder / _safe(name, link["url"], kaggle.slug)
        if link["size"] is not None and _size(path) == link["size"]:
            return path
        part = _part(path, link)
        if link["size"] is not None and name is None:
            _need_room(folder, link["size"] - _size(part))
        before, began = _size(part), time.monotonic()
        try:
            _stream(link, part, path.name, seconds=kaggle.seconds, quiet=kaggle.quiet)
        except OSError as fault:
            if not isinstance(fault, requests.RequestException):  # these are OSErrors too
                raise files.disk_error(part, fault) from None
            cuts = 0 if _size(part) > before else cuts + 1
            if cuts > CUTS or (cuts and time.monotonic() - began > 0.9 * kaggle.seconds):
                raise Unreachable(
                    f"{path.name}: the download broke off at {_size(part):,} bytes ({type(fault).__name__}).\n"
                    "The same command goes on from there."
                ) from None
            time.sleep(PAUSE * 2**cuts)
            continue
        if link["size"] is None or _size(part) == link["size"]:
            part.replace(path)
            return path
        part.unlink()
        raise Unreachable(f"{path.name}: Kaggle sent more than the {link['size']:,} bytes it announced. Try again.")


def save(url: str, folder: Path, name: str, seconds: float, quiet: bool) -> Path:
    """One file from a link, whole or not there. Raises BadData for a name that points outside the folder."""
    path = folder / _safe(name, "", "")
    part = path.with_name(f".part-{path.name}")
    part.unlink(missing_ok=True)
    try:
        _stream({"url": url, "size": None, "version": ""}, part, path.name, seconds=seconds, quiet=quiet)
    except requests.RequestException as fault:
        raise Unreachable(f"{name}: the download broke off ({type(fault).__name__}). Try again.") from None
    except OSError as fault:
        raise files.disk_error(part, fault) from None
    part.replace(path)
    return path


def _stream(link: dict[str, Any], part: Path, shown: str, seconds: float, quiet: bool) -> None:
    """Append what is missing. Raises requests' exceptions for a cut, OSError for the disk."""
    part.parent.mkdir(parents=True, exist_ok=True)
    start = _size(part)
    if link["size"] is not None and start == link["size"]:
        return
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": link["version"]}
    with requests.get(link["url"], headers=headers, stream=True, timeout=(min(seconds, 30), seconds)) as response:
        response.raise_for_status()
        resumed = response.status_code == 206
        with part.open("ab" if resumed else "wb") as file, _bar(shown, link["size"], start if resumed else 0, quiet) as bar:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if link["size"] is not None and _size(part) < link["size"]:
        raise requests.exceptions.ConnectionError("cut")


def _bar(shown: str, size: int | None, start: int, quiet: bool) -> Any:
    off = quiet or not sys.stderr.isatty()
    if off and not quiet:
        say(f"{shown}  {(size or 0) / 1e6:,.1f} MB" + (f", going on from {start / 1e6:,.1f}" if start else ""))
    return tqdm(total=size, initial=start, desc=shown, unit="B", unit_scale=True, leave=False, disable=off)


def _part(path: Path, link: dict[str, Any]) -> Path:
    """The partial file of this version; those of others are removed: their bytes are of no use."""
    version = hashlib.sha256(f"{link['version']} {link['size']}".encode()).hexdigest()[:12]
    part = path.with_name(f".part-{version}-{path.name}")
    for other in path.parent.glob(f".part-*-{glob.escape(path.name)}"):
        if other != part or not link["version"]:
            other.unlink()
    return part


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _safe(name: str | None, url: str, slug: str) -> str:
    """The file's name below the folder: as listed, with `.zip` where Kaggle stores it packed."""
    last = PurePosixPath(url.split("?")[0]).name
    if name is None:
        return slug + "".join(PurePosixPath(last).suffixes[-1:])
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or any(":" in part for part in parts):
        raise BadData(f"refused: Kaggle names a file {name!r}, which points outside the folder.")
    if any(len(part.encode("utf-8", "replace")) > LONGEST for part in parts) or not name.isprintable() or not parts:
        raise BadData(f"refused: Kaggle names a file {quoted(name)}, which no folder can hold.")
    return f"{name}.zip" if last == f"{parts[-1]}.zip" else name


def _there(folder: Path, listed: dict[str, Any]) -> Path | None:
    """The file, if it is there whole: as long as listed, or packed (then its own checksums show it)."""
    name = _safe(listed["name"], "", "")
    path, packed = folder / name, folder / f"{name}.zip"
    if path.is_file() and (not listed["size"] or path.stat().st_size == listed["size"]):
        return path
    if packed.is_file():
        with suppress(BadData):
            archives.open_store(packed).names  # noqa: B018 (reads the archive's directory, which stands at its end)
            return packed
    return None


def _need_room(folder: Path, size: int) -> None:
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free
    if size + SPARE > free:
        raise DiskError(
            f"{folder}: {size / 1e9:,.2f} GB are to be fetched and {free / 1e9:,.2f} GB are free.\n"
            "Free some space or use --out."
        )
