"""Pickles: plain arrays and containers of every protocol load; whatever would run, open or fill the memory is refused."""

import pickle
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_archives import memory_below, pack

from kit import competition as competitions
from kit.errors import BadData
from kit.models import state_dicts
from kit.storage import safe_pickle

RNG = np.random.default_rng(0)
PLAIN = {
    "data": RNG.integers(0, 256, (5, 12), dtype=np.uint8),
    "columns": np.asfortranarray(RNG.normal(size=(3, 4)).astype(np.float32)),
    "wide": np.array([[1 << 40, -5]], dtype=">i8"),
    "none": np.zeros((0, 3)),
    "names": ["apple", "ünï", ""],
    "labels": [0, 1, -(1 << 70), True, None, 1.5],
    "tuple": (1, (2, [3])),
    "bytes": b"\x00\xff raw",
}


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Four gigabytes more than now, so that a bomb that works takes this process with it and not the machine."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 30), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype.newbyteorder("=") == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("key", PLAIN)
def test_what_is_plain_loads_in_every_protocol(key: str, protocol: int) -> None:
    for one in (PLAIN[key], {"a": [PLAIN[key], (PLAIN[key],)]}):
        assert equal(one, safe_pickle.load(pickle.dumps(one, protocol), "x"))


NO_FIELDS = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"  # in the state of a dtype


def python2(text: bytes) -> bytes:
    """A `str` as Python 2 pickles it."""
    return b"U" + bytes([len(text)]) + text


def test_a_pickle_of_python_2_loads() -> None:
    """As CIFAR's are: names and pixels are its `str`, in latin1."""
    pixels = bytes(range(250, 256)) + b"\0"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85" + python2(b"b") + b"tR"
    dtype = b"cnumpy\ndtype\n(" + python2(b"u1") + b"K\0K\x01tR(K\x03" + python2(b"|") + NO_FIELDS + b"K\0tb"
    array = made + b"(K\x01K\x07\x85" + dtype + b"\x89" + python2(pixels) + b"tb"
    data = b"\x80\x02}(" + python2(b"data") + array + python2(b"batch_label") + python2(b"caf\xe9") + b"u."
    loaded = safe_pickle.load(data, "x")
    assert loaded["batch_label"] == "café"
    assert loaded["data"].dtype == np.uint8 and loaded["data"].tobytes() == pixels


class Reduced:
    """Pickles to a call of `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def named(module: str, name: str, *arguments: str) -> bytes:
    """A call by name, in protocol 0."""
    given = b"".join(f"V{one}\n".encode() for one in arguments)
    return f"c{module}\n{name}\n(".encode() + given + b"tR."


def hostile(marker: Path) -> dict[str, bytes]:
    """Pickles that make the file `marker`, each its own way; and some that only fill the memory."""
    import functools
    import os

    code = f"open({str(marker)!r}, 'w').close()"
    touch = f"touch {marker}"
    dumps = partial(pickle.dumps, protocol=2)
    short = {text: bytes([len(text)]) + text.encode() for text in ("touch", touch, str(marker))}
    list_of_two = b"(]U" + short["touch"] + b"aU" + short[str(marker)] + b"at"
    open_it = f"c__builtin__\ngetattr\n(c__builtin__\n__import__\n(Vos\ntRVsystem\ntR(V{touch}\ntR.".encode()
    return {
        "os.system": dumps(Reduced(os.system, touch)),
        "posix.system": named("posix", "system", touch),
        "nt.system": named("nt", "system", touch),
        "eval": dumps(Reduced(eval, f"__import__('os').system({touch!r})")),
        "exec": dumps(Reduced(exec, code)),
        "open": dumps(Reduced(open, str(marker), "w")),
        "compile": named("builtins", "compile", code, "x", "exec"),
        "Popen": dumps(Reduced(subprocess.Popen, ["touch", str(marker)])),
        "importlib": named("importlib", "import_module", "antigravity"),
        "runpy": named("runpy", "_run_code", code),
        "partial": dumps(Reduced(functools.partial, os.system, touch)),
        "a partial as state": dumps([functools.partial(os.system, touch)]),
        "getattr": open_it,
        "a name with dots": b"\x80\x04\x8c\x05numpy\x8c\x15ndarray.__class__.mro\x93.",
        "a dotted module": b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93(\x8c" + short[touch] + b"tR.",
        "numpy.load": named("numpy", "load", str(marker)),
        "numpy.save": named("numpy", "save", str(marker), "x"),
        "numpy.fromfile": named("numpy", "fromfile", "/etc/passwd"),
        "numpy.memmap": dumps(Reduced(np.memmap, str(marker), "uint8", "w+", 0, (1,))),
        "numpy.f2py": named("numpy.f2py", "compile", code),
        "numpy.ctypeslib": named("numpy.ctypeslib", "load_library", "libc", "/lib"),
        "numpy.testing": named("numpy.testing._private.utils", "runstring", code, ""),
        "torch.load": named("torch", "load", str(marker)),
        "torch hub": named("torch.hub", "load", "a/b", "c"),
        "newobj": b"\x80\x02csubprocess\nPopen\n" + list_of_two + b"\x81.",
        "copyreg": f"ccopyreg\n__newobj__\n(csubprocess\nPopen\n(lVtouch\naV{marker}\natR.".encode(),
        "extension": b"\x80\x02\x82\x01.",
        "INST": f"(V{touch}\nios\nsystem\n.".encode(),
        "OBJ": f"(cos\nsystem\nV{touch}\no.".encode(),
        "BUILD": b"\x80\x02cbuiltins\nobject\n)\x81}X\x09\0\0\0__class__K\x01sb.",
        "a persistent id": b"Pos.system\n.",
        "a codec": named("_codecs", "encode", "0", "rot13"),
        "another codec": named("_codecs", "decode", "0", "hex"),
        "an array of objects": dumps(np.array([Reduced(os.system, touch)], dtype=object)),
        "after an array": dumps([np.zeros(3), Reduced(os.system, touch)]),
        "truncated": pickle.dumps(PLAIN)[:-40],
        "empty": b"",
        "no pickle": b"<html>404</html>",
        "a giant string": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
        "giant bytes": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
        "a giant frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
        "a giant memo": b"\x80\x02Nr\0\0\0\x02.",
        "a giant array": b"\x80\x02cnumpy\nndarray\n\x8a\x06\0\0\0\0\0\x01\x85\x85R.",
        "a giant blank": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n\x8a\x06\0\0\0\0\0\x01\x85U\x01btR.",
        "a deep list": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    }  # fmt: skip


KINDS = list(hostile(Path("/nowhere")))
ONLY_DATA = {"a deep list"}  # lists in lists are plain; nothing may crash, be it read or refused


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_hostile_is_refused_and_nothing_runs(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    data = hostile(marker)[kind]
    with memory_below(50 << 20):
        try:
            safe_pickle.load(data, "x")
            assert kind in ONLY_DATA
        except BadData as fault:
            assert str(fault).startswith("x: refused: not a pickle of plain arrays (") and len(str(fault)) < 250
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [0, 1, 2, 63])
def test_an_arrays_bytes_are_never_taken_for_pointers(flags: int) -> None:
    """numpy believes the flags of a pickled dtype: of objects that need no counting, say, at any address."""
    dtype = b"cnumpy\ndtype\n(U\x01OK\0K\x01tR(K\x03U\x01|" + NO_FIELDS + b"K" + bytes([flags]) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01btR(K\x01K\x01\x85"
    data = b"\x80\x02" + array + dtype + b"\x89U\x08AAAAAAAAtb."
    script = f"""
from kit import errors
from kit.storage import safe_pickle as pickles
try:
    print(pickles.load({data!r}, "x")[0])
except errors.BadData:
    print("refused")
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "refused\n"), answer.stderr


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # files left open
def test_the_hostile_ones_would_work_elsewhere(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    worked = []
    for kind in ("os.system", "posix.system", "exec", "open", "getattr", "INST", "OBJ", "numpy.memmap", "an array of objects"):
        (marker := tmp_path / "marker").unlink(missing_ok=True)
        pickle.loads(hostile(marker)[kind])
        worked.append(marker.exists())
    assert all(worked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_as_weights_they_are_refused_too(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    marker, path = tmp_path / "marker", tmp_path / "in" / "model.pth"
    path.write_bytes(hostile(marker)[kind])
    with pytest.raises(BadData, match=r"--weights .*model\.pth: (not weights that can be read safely|holds no state dict)"):
        state_dicts.read(str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


def test_in_a_checkpoint_of_torch_they_are_refused_too(tmp_path: Path) -> None:
    """Its zip holds a pickle."""
    import torch

    marker = tmp_path / "marker"
    torch.save({"state_dict": {"weight": torch.zeros(2)}, "hook": Reduced(print, str(marker))}, tmp_path / "model.pth")
    with pytest.raises(BadData, match="not weights that can be read safely"):
        state_dicts.read(str(tmp_path / "model.pth"))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ONLY_DATA])
def test_in_cifars_archive_they_are_refused_too(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "in").mkdir()
    data = hostile(marker)[kind]
    names = [f"cifar-100-python/{name}" for name in ("train", "test", "meta")]
    pack(tmp_path / "in" / "cifar-100-python.tar.gz", dict.fromkeys(names, data))
    with pytest.raises(BadData, match=r"cifar-100-python\.tar\.gz/cifar-100-python/test: refused"):
        competitions.load("cifar100").competition.tables(tmp_path / "in")
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


def test_mutated_pickles_are_read_or_refused_and_nothing_else() -> None:
    whole, refused = bytearray(pickle.dumps(PLAIN, protocol=2)), 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(RNG.integers(1, 4)):
            data[RNG.integers(len(data))] = RNG.integers(256)
        try:
            safe_pickle.load(bytes(data), "x")
        except BadData:
            refused += 1
    assert refused > 300
