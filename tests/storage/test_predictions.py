"""Predictions: what is saved is loaded to the bit, the same bytes each time; what is damaged is named; numbers as text."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from kit.errors import BadData
from kit.storage import frames, predictions
from kit.storage.tables import number_text

IDS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=5, unique=True)
ODD = ["0001", "1e5", "12345678901234567890", 'a "quote"', "a,comma", "a\nline", "a\rreturn", "übel", "🦆"]


def table(ids: list[str], columns: int = 2, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(len(ids), columns)).astype(np.float32)
    return pd.DataFrame(values, index=pd.Index(ids, name="image id", dtype=object), columns=[f"p{i}" for i in range(columns)])


@settings(max_examples=40)
@given(IDS)
def test_arrays_undo_saving(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    folder, frame = tmp_path_factory.getbasetemp(), table(ids)
    first = predictions.save(folder, "oof", frame).read_bytes()
    loaded = predictions.load(folder, "oof")
    assert list(loaded.index) == ids and loaded.index.name == "image id" and list(loaded.columns) == list(frame.columns)
    assert loaded.to_numpy().tobytes() == frame.to_numpy().tobytes() and loaded.to_numpy().dtype == np.float32
    assert predictions.save(folder, "oof", frame).read_bytes() == first


def test_the_csv_of_an_older_run_is_loaded_and_arrays_come_first(tmp_path: Path) -> None:
    old, new = table(ODD), table(ODD, seed=1)
    assert predictions.find(tmp_path, "oof") is None
    predictions.write_csv(tmp_path / "oof.csv", old)
    assert predictions.find(tmp_path, "oof") == tmp_path / "oof.csv"
    pd.testing.assert_frame_equal(predictions.load(tmp_path, "oof"), old, check_column_type=False)
    predictions.save(tmp_path, "oof", new)
    assert predictions.load(tmp_path, "oof").to_numpy().tobytes() == new.to_numpy().tobytes()


@pytest.mark.parametrize("damage", [b"", b"id,p\n", slice(-20), slice(100), "a flipped bit"], ids=str)
def test_damaged_arrays_are_named(tmp_path: Path, damage: object) -> None:
    path = predictions.save(tmp_path, "test", table([str(i) for i in range(500)]))
    whole = bytearray(path.read_bytes())
    if isinstance(damage, str):
        whole[len(whole) // 2] ^= 1
    path.write_bytes(damage if isinstance(damage, bytes) else bytes(whole[damage] if isinstance(damage, slice) else whole))
    with pytest.raises(BadData, match=r"test\.npz: not the predictions"):
        predictions.load(tmp_path, "test")
    with pytest.raises(BadData, match=r"oof\.npz: not the predictions"):
        predictions.load(tmp_path, "oof")


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "oof.npz", values=np.array([{}], object), about=np.zeros(1, np.uint8))
    with pytest.raises(BadData, match="not the predictions"):
        predictions.load(tmp_path, "oof")


def test_a_large_csv_is_what_a_small_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written and read by other code."""
    for ids in ([f"row {i}" for i in range(300)], ODD):
        frame = table(ids, 40)
        predictions.write_csv(tmp_path / "small.csv", frame)
        with monkeypatch.context() as patch:
            patch.setattr(predictions, "LARGE", 1)
            predictions.write_csv(tmp_path / "large.csv", frame)
            assert ((tmp_path / "large.csv").read_bytes() == (tmp_path / "small.csv").read_bytes()) == (frame.size < 1)
            found = [predictions.read_csv(tmp_path / f"{name}.csv") for name in ("small", "large")]
        for one in (*found, predictions.read_csv(tmp_path / "large.csv")):
            pd.testing.assert_frame_equal(one, frame, check_column_type=False, check_exact=True)
        plain = frames.read_csv((tmp_path / "large.csv").read_bytes(), "large.csv")
        assert list(plain["image id"]) == ids


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("r3,", "r2,"), "'r2' stands in line 4"),
        (("r3,", ","), "the id is blank"),
        (("r3,", "r3,1,"), "fields where the header has"),
        ((",", ",,"), "stands there twice|no column names|fields|could not convert"),
        (("r3,", 'r3,"'), "quote"),
    ],
    ids=str,
)
def test_a_damaged_large_csv_is_refused_as_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    path = tmp_path / "oof.csv"
    monkeypatch.setattr(predictions, "LARGE", 1)
    predictions.write_csv(path, table([f"r{i}" for i in range(9)], 3))
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(BadData, match=said):
        predictions.read_csv(path)
    predictions.write_csv(path, table([f"r{i}" for i in range(9)], 3))
    head, second, third, *rest = path.read_text().splitlines()
    cell = third.rsplit(",", 1)[1]
    path.write_text("\n".join([head, f"{second},{cell}", third.removesuffix(f",{cell}"), *rest]) + "\n")
    with pytest.raises(BadData, match="fields where the header has 4"):  # as many fields in all as there should be
        predictions.read_csv(path)


def test_number_text_is_read_as_the_same_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 60_000, dtype=np.uint32).view(np.float32)
    edges = np.nextafter(np.logspace(-37, 38, 76).astype(np.float32), np.float32(0))
    odd = np.float32([0, -0.0, 1, -1, 0.1, 9.9999999e9, 1e-45, 3.4028235e38, 10, 100, 1.5, 0.99999994])
    values = np.concatenate([bits[np.isfinite(bits)], edges, odd, np.logspace(-44, 38, 83).astype(np.float32)])
    values = values[: len(values) // 4 * 4].reshape(-1, 4)
    text = number_text.lines([f"r{i}" for i in range(len(values))], values).decode()
    rows = [line.split(",") for line in text.splitlines()]
    assert [row[0] for row in rows] == [f"r{i}" for i in range(len(values))]
    again = np.array([[float(cell) for cell in row[1:]] for row in rows]).astype(np.float32)
    assert np.array_equal(again.view(np.uint32), values.view(np.uint32))


def test_number_text_has_no_more_digits_than_needed() -> None:
    values = np.float32([[0, 1, -2.5, 0.25, 1e10, 1e-10]])
    assert number_text.lines(["r"], values) == b"r,0,1,-2.5,2.5e-1,1e10,1.00000001e-10\n"
