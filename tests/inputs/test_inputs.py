"""Inputs: pixels and images become uint8 arrays, and what is none is refused by file, line, column or id."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from test_image_faults import HOLDS, photo, stored

from kit.errors import BadData
from kit.inputs import Images, Pixels
from kit.inputs.decode import decode
from kit.storage.tables.table_file import TableFormat

PIXELS = Pixels(side=2)
HEADER = b"label,pixel0,pixel1,pixel2,pixel3\n"


def read(data: bytes, pixels: Pixels = PIXELS) -> pd.DataFrame:
    return pixels.read_table(data, "t.csv", TableFormat()).frame


@pytest.mark.parametrize(
    "data",
    [
        HEADER + b"07,1,2,3,255\nNA,4,5,6,0\n",
        (HEADER + b"07,1,2,3,255\nNA,4,5,6,0\n").replace(b"\n", b"\r\n"),
        (HEADER + b"07,1,2,3,255\nNA,4,5,6,0\n").replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + HEADER + b"07,1,2,3,255\n\nNA,4,5,6,0\n\n",
        (HEADER + b"07,1,2,3,255\nNA,4,5,6,0").decode().encode("utf-16"),
        HEADER + b'"07","1",2,3,255\n"NA",4,5,6,"0"\n',
        HEADER + b"07,1,2,3,255,\nNA,4,5,6,0,\n",
        HEADER + b"0\x007,1,2,3,255\nNA,4,5,6,0\n",
        b"pixel3,pixel1,label,pixel0,pixel2\n255,2,07,1,3\n0,5,NA,4,6\n",
        HEADER + b"07,1.0,2,3,255\nNA,4,5e0,6,0\n",
    ],
)
def test_pixels_are_read_by_name_and_the_rest_stays_text(data: bytes) -> None:
    frame = read(data)
    assert list(frame["label"]) == ["07", "NA"]
    images = PIXELS.load(Path(), frame, "train", 0).rows
    assert images.dtype == np.uint8
    assert images[..., 0].tolist() == [[[1, 2], [3, 255]], [[4, 5], [6, 0]]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (HEADER + b"7,1,2,3,4\n7,1,x,3,4\n", "line 3, column 'pixel1': 'x' is not a whole number from 0 to 255"),
        (HEADER + b"7,1,2,3,256\n", "line 2, column 'pixel3': '256"),
        (HEADER + b"7,-1,2,3,4\n", "line 2, column 'pixel0': '-1"),
        (HEADER + b"7,1,2.5,3,4\n", "line 2, column 'pixel1': '2.5'"),
        (HEADER + b"7,1,,3,4\n", "line 2, column 'pixel1': ''"),
        (HEADER + b"7,1,nan,3,4\n", "line 2, column 'pixel1': 'nan'"),
        (HEADER + b"7,1,inf,3,4\n", "line 2, column 'pixel1': 'inf'"),
        (HEADER + b'7,1,"300",3,4\n', "line 2, column 'pixel1': '300'"),
        (HEADER + b"7,1,2,3,4\n7,1,2,3\n", "line 3: 4 fields where the header has 5"),
        (HEADER + b"7,1,2,3,4,5\n7,1,2,3,4,5\n", "line 2: 6 fields"),
        (HEADER + b'7,1,"2,3,4\n', "line 2, column 'pixel1': '\"2'"),
        (HEADER + b"7,1,2,3\r,4\n", "line 2: 4 fields"),
        (b"label,pixel0,pixel1,pixel2\n7,1,2,3\n", r"no column 'pixel3'; 2×2 pixels are expected, 3 found"),
        (b"label,pixel0\n7,1\n", r"no column 'pixel1'; 2×2 pixels are expected, 1 found \(1×1\)"),
        (b"label,pixel0,pixel1,pixel1,pixel3\n7,1,2,3,4\n", "no column 'pixel2'"),
        (b"\n", "line 1: no column names"),
    ],
)
def test_what_is_no_pixel_is_named_by_file_line_and_column(data: bytes, words: str) -> None:
    with pytest.raises(BadData, match=f"t.csv.*{words}"):
        read(data)


def test_mutated_pixel_tables_are_read_or_refused_and_never_shifted() -> None:
    whole, rng, refused = HEADER + b"7,1,2,3,4\n3,11,12,13,14\n", random.Random(0), 0
    for _ in range(600):
        data = bytearray(whole)
        data[rng.randrange(len(HEADER), len(data))] = rng.choice(b'\0\r\n",.;-e9\xff x')
        try:
            frame = read(bytes(data))
        except BadData as fault:
            assert "t.csv" in str(fault)
            refused += 1
        else:
            pixels = PIXELS.load(Path(), frame, "train", 0).rows.reshape(-1, 4)
            assert (
                sum(int((row != wanted).sum()) for row, wanted in zip(pixels, [[1, 2, 3, 4], [11, 12, 13, 14]], strict=True))
                < 2
            )
    assert 200 < refused < 600


def test_a_lower_top_is_scaled_to_255() -> None:
    frame = read(HEADER + b"7,0,16,8,1\n", Pixels(side=2, top=16))
    assert frame[PIXELS.names].to_numpy().tolist() == [[0, 255, 128, 16]]
    with pytest.raises(BadData, match=r"'17.* is not a whole number from 0 to 16"):
        read(HEADER + b"7,0,17,8,1\n", Pixels(side=2, top=16))


def test_pixels_of_another_prefix_and_size() -> None:
    pixels = Pixels(side=2, prefix="p")
    frame = read(b"p0,p1,p2,p3\n0,0,200,200\n", pixels)
    assert pixels.load(Path(), frame, "train", 4).rows.shape == (1, 4, 4, 1)
    assert pixels.load(Path(), frame, "train", 2).rows.tolist() == pixels.load(Path(), frame, "train", 0).rows.tolist()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in HOLDS.items() for mode in modes])
def test_every_usual_kind_of_image_is_read(kind: str, mode: str, channels: int) -> None:
    array = decode(stored(kind, mode, **({"quality": 95} if kind in ("JPEG", "WEBP") else {})), "a", channels, span=(0, 65535))
    assert array.shape == (30, 40, channels)
    assert array.dtype == np.uint8
    wanted = np.asarray(photo("L" if channels == 1 else "RGB"), np.float32).reshape(array.shape)
    if mode not in ("1", "P") and kind != "GIF":
        wanted = wanted if mode not in ("L", "LA", "I;16") else np.asarray(photo("L"), np.float32)[..., None]
        assert np.abs(array - wanted).mean() < 6


def test_a_transparent_image_reads_as_on_white(tmp_path: Path) -> None:
    half = np.zeros((4, 4, 4), np.uint8)
    half[:2, :, 3] = 255
    half[2, :, 3] = 51
    Image.fromarray(half).save(tmp_path / "a.png")
    assert decode((tmp_path / "a.png").read_bytes(), "a", 3)[:, 0].tolist() == [[0] * 3, [0] * 3, [204] * 3, [255] * 3]
    assert decode((tmp_path / "a.png").read_bytes(), "a", 1)[:, 0, 0].tolist() == [0, 0, 204, 255]
    palette = Image.new("P", (2, 2), 0)
    palette.save(tmp_path / "b.gif", transparency=0)
    assert (decode((tmp_path / "b.gif").read_bytes(), "b", 3) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_by_its_exif(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo().save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(decode((tmp_path / "a.png").read_bytes(), "a", 3), wanted)
    assert wanted.shape == ((30, 40, 3) if orientation < 5 else (40, 30, 3))


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert np.array_equal(decode((tmp_path / "a.png").read_bytes(), "a", 1, span=(0, 65535))[..., 0], ramp // 257)


def broken(path: Path, how: str) -> None:
    photo(size=(64, 64)).save(path, format="JPEG" if how == "truncated jpeg" else "PNG")
    data = path.read_bytes()
    changed = {"truncated jpeg": data[: len(data) // 2], "truncated png": data[:-200], "empty": b"", "text": b"id,label\n1,2\n"}
    path.write_bytes(changed[how])


@pytest.mark.parametrize("how", ["truncated jpeg", "truncated png", "empty", "text"])
def test_a_broken_image_is_refused_by_path_and_id(how: str, tmp_path: Path) -> None:
    path = tmp_path / "007.png"
    broken(path, how)
    with pytest.raises(BadData, match=r"007\.png \(id '007'\): not a readable image"):
        Images("{id}.png").load(tmp_path, pd.DataFrame(index=["007"]), "train", 0)
