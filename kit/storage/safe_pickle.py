"""Pickles: those that hold numpy arrays and plain containers, and nothing that runs."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from kit.errors import BadData

PLAIN = "biufcSU"  # the kinds of dtypes whose bytes are numbers or text


class _Dtype:
    """A dtype as it is pickled. numpy's own believes any state, even one that makes pointers of an array's bytes."""

    def __init__(self, text: str, align: bool = False, copy: bool = False):
        self.real = np.dtype(text)
        if self.real.kind not in PLAIN:
            raise pickle.UnpicklingError(f"it asks for an array of {self.real}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.real = self.real.newbyteorder(state[1])


class _Array:
    """An array as it is pickled, before its state is known; numpy's own would allocate whatever it is told to."""

    real: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        raw = data.encode("latin1") if isinstance(data, str) else data
        self.real = _array(raw, dtype, shape, "F" if fortran else "C")


def _array(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    array = np.frombuffer(bytearray(data), dtype.real).reshape(shape, order="F" if order == "F" else "C")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


# What plain content is rebuilt from, under its old and new names, each by a stand-in that cannot do more.
KNOWN = {
    **dict.fromkeys([("numpy", "ndarray")], "ndarray"),
    **dict.fromkeys([("numpy", "dtype")], _Dtype),
    **dict.fromkeys([(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")], lambda *_: _Array()),
    **dict.fromkeys([(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")], _array),
    ("_codecs", "encode"): _encode,  # how bytes travel in protocol 2
    **dict.fromkeys([(module, "bytes") for module in ("builtins", "__builtin__")], lambda: b""),  # and how none do
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return KNOWN[module, name]


def _real(content: Any) -> Any:
    """The content with its arrays as numpy's."""
    if isinstance(content, _Array):
        if content.real is None:
            raise pickle.UnpicklingError("an array without content")
        return content.real
    if isinstance(content, np.ndarray):
        return content
    if isinstance(content, dict):
        return {key: _real(value) for key, value in content.items()}
    if isinstance(content, list | tuple | set | frozenset):
        return type(content)(map(_real, content))
    if isinstance(content, type(None) | bool | int | float | complex | str | bytes):
        return content
    raise pickle.UnpicklingError(f"it holds a {type(content).__name__}")


def _refuse_bombs(data: bytes) -> None:
    """Raise where a place in the memo is beyond all bounds: the unpickler would reserve that many, all the memory there is."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= len(data):
            raise pickle.UnpicklingError(f"a memo of {argument}")


def load(data: bytes, where: str) -> Any:
    """The content of a pickle of Python 2 or 3. Raises BadData where it is broken or asks for anything but arrays."""
    try:
        _refuse_bombs(data)
        return _real(_Plain(io.BytesIO(data), encoding="latin1").load())
    except Exception as fault:  # a broken or hostile pickle raises whatever its bytes happen to mean
        raise BadData(f"{where}: refused: not a pickle of plain arrays ({str(fault)[:120] or type(fault).__name__}).") from None
