"""Adapter files: where the `competitions` folders are, and the adapters in them by name. Nothing is loaded."""

from __future__ import annotations

from pathlib import Path


def folders() -> list[Path]:
    """Where adapters are looked for: here, then the kit's own."""
    own = Path(__file__).resolve().parents[1] / "competitions"
    return list(dict.fromkeys(path.resolve() for path in (Path("competitions"), own) if path.is_dir()))


def names() -> dict[str, Path]:
    """Every adapter's file by name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("[!_]*.py")):
            found.setdefault(path.stem, path)
    return found
