"""DICOM: the picture in a file of a medical device, seen through the file's own window (extra `dicom`: pydicom)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.errors import Usage, install

MAGIC = b"DICM"
LUMINANCE = ("MONOCHROME1", "MONOCHROME2")  # the first is inverted: its lowest value is white


@dataclass(frozen=True)
class Scan:
    """The first frame of a file, [height, width] or [height, width, 3].

    uint8 where the file itself says what is black and what is white, by a window, say (`windowed`); otherwise the values
    that were measured, and NaN where there is none. `inverted`: is the lowest value white? `frames`: how many it holds.
    """

    values: np.ndarray
    inverted: bool
    frames: int
    windowed: bool = False


def is_dicom(data: bytes) -> bool:
    """Do a file's bytes say that it is one?"""
    return data[128:132] == MAGIC


def read(data: bytes) -> Scan:
    """The picture of a file. Raises Usage without pydicom, and for what is no such file whatever pydicom raises."""
    try:
        from pydicom import dcmread, pixels, uid
    except ImportError:
        raise Usage(f"reading DICOM files (.dcm) needs the extra `dicom` ({install('dicom')}).") from None
    file = dcmread(io.BytesIO(data), force=not is_dicom(data))
    if not any(name in file for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ValueError("no DICOM file with a picture")
    if "TransferSyntaxUID" not in file.file_meta:  # the file begins with its data: then they are stored plainly
        plain = uid.ImplicitVRLittleEndian if file.original_encoding[0] else uid.ExplicitVRLittleEndian
        file.file_meta.TransferSyntaxUID = plain
    frames = int(file.get("NumberOfFrames", 1) or 1)
    values = pixels.pixel_array(file, index=0) if frames > 1 else pixels.pixel_array(file)
    kind = str(file.get("PhotometricInterpretation", LUMINANCE[1]))
    if kind in LUMINANCE:
        windowed = bool(file.get("VOILUTSequence") or _first(file.get("WindowWidth")))
        return Scan(_grey(file, values, pixels), inverted=kind == LUMINANCE[0], frames=frames, windowed=windowed)
    return Scan(_colours(file, values, kind, pixels), inverted=False, frames=frames)


def _grey(file: Any, stored: np.ndarray, pixels: Any) -> np.ndarray:
    """Stored values as uint8 through the window that the file names first, else as measured."""
    values = pixels.apply_modality_lut(stored, file)
    if file.get("VOILUTSequence"):
        bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
        return (
            (pixels.apply_voi_lut(values, file, prefer_lut=True) * (255 / (2**bits - 1))).round().clip(0, 255).astype(np.uint8)
        )
    width = _first(file.get("WindowWidth"))
    if width:
        return _windowed(values.astype(np.float64), _first(file.get("WindowCenter")) or 0.0, width, _function(file))
    if stored.dtype.kind == "u" and int(file.BitsStored) <= 8 and np.array_equal(values, stored):
        return stored.astype(np.uint8)
    padding = file.get("PixelPaddingValue")
    return values if padding is None else np.where(stored == padding, np.nan, values)


def _windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """Values through a window as uint8, by the standard's three functions (PS3.3 C.11.2.1.2)."""
    if function == "SIGMOID":
        share = 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    elif function == "LINEAR_EXACT":
        share = (values - center) / width + 0.5
    else:
        share = (values - (center - 0.5)) / max(width - 1, 1e-9) + 0.5
    return (share.clip(0, 1) * 255).round().astype(np.uint8)


def _function(file: Any) -> str:
    return str(file.get("VOILUTFunction", "") or "LINEAR").upper()


def _first(value: Any) -> float | None:
    """A number, of several the first; None where there is none."""
    if value is None or value == "" or value == []:
        return None
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _colours(file: Any, values: np.ndarray, kind: str, pixels: Any) -> np.ndarray:
    """Colours as uint8 [height, width, 3] red, green, blue; pydicom has converted those that were stored as YBR."""
    values = pixels.apply_color_lut(values, file) if kind == "PALETTE COLOR" else values
    if values.dtype == np.uint8:
        return values
    top = 65535 if kind == "PALETTE COLOR" else 2 ** int(file.BitsStored) - 1
    return (values * (255 / top)).round().clip(0, 255).astype(np.uint8)
