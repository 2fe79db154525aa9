"""Pickles: those that hold numpy arrays and plain containers, and nothing that runs."""

from __future__ import annotations

import io
import pickle
from typing import Any

from kit.errors import BadData

# What numpy's arrays are rebuilt from, under its old and new names. None of it reads, writes or calls on.
ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # how bytes travel in protocol 2
            return _latin1
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def load(data: bytes, where: str) -> Any:
    """The content of a pickle of Python 2 or 3. Raises BadData where it is broken or asks for anything but arrays."""
    try:
        return _Plain(io.BytesIO(data), encoding="latin1").load()
    except Exception as fault:  # a broken or hostile pickle raises whatever its bytes happen to mean
        raise BadData(f"{where}: refused: not a pickle of plain arrays ({str(fault)[:120] or type(fault).__name__}).") from None
