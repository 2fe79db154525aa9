"""DICOM: seen through the file's own window, upside down where its lowest value is white, else as measured."""

import io
import sys
from typing import Any

import numpy as np
import pytest

from kit.errors import Usage
from kit.storage.image_formats import dicom

pydicom = pytest.importorskip("pydicom")
VALUES = np.arange(0, 4096, 4, dtype=np.uint16).reshape(32, 32)


def written(values: np.ndarray, **elements: Any) -> bytes:
    """A plain DICOM file of one frame, grey unless the values are of three bands; `elements` by keyword."""
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    bits = 8 * values.dtype.itemsize
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    file.Rows, file.Columns = values.shape[-2:] if values.ndim == 2 or values.shape[-1] != 3 else values.shape[:2]
    file.SamplesPerPixel = 3 if values.shape[-1] == 3 else 1
    file.BitsAllocated, file.BitsStored, file.HighBit = bits, bits, bits - 1
    file.PixelRepresentation = int(values.dtype.kind == "i")
    file.PhotometricInterpretation = "RGB" if file.SamplesPerPixel == 3 else "MONOCHROME2"
    if file.SamplesPerPixel == 3:
        file.PlanarConfiguration = 0
    file.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()


def test_without_a_window_values_are_as_measured() -> None:
    scan = dicom.read(written(VALUES))
    assert np.array_equal(scan.values, VALUES) and not scan.inverted and scan.frames == 1
    scan = dicom.read(written(VALUES.astype(np.int16), RescaleSlope=2, RescaleIntercept=-1024))
    assert np.array_equal(scan.values, 2.0 * VALUES - 1024)


def test_the_first_window_says_what_is_black_and_white() -> None:
    scan = dicom.read(written(VALUES, WindowCenter=[1000, 5], WindowWidth=[401, 7], PhotometricInterpretation="MONOCHROME1"))
    assert scan.values.dtype == np.uint8 and scan.inverted
    wanted = ((VALUES - 999.5) / 400 + 0.5).clip(0, 1) * 255
    assert np.abs(scan.values - wanted).max() <= 0.5
    assert scan.values.min() == 0 and scan.values.max() == 255


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_is_that_of_pydicom(function: str) -> None:
    data = written(VALUES, WindowCenter=1500, WindowWidth=900, VOILUTFunction=function)
    file = pydicom.dcmread(io.BytesIO(data))
    wanted = pydicom.pixels.apply_voi_lut(file.pixel_array, file).astype(np.float64) / 65535 * 255
    assert np.abs(dicom.read(data).values - wanted).max() <= 0.51


def test_eight_bits_colours_and_frames() -> None:
    grey = (VALUES >> 4).astype(np.uint8)
    assert np.array_equal(dicom.read(written(grey)).values, grey)
    colours = np.stack([grey, grey[::-1], grey.T], axis=2)
    assert np.array_equal(dicom.read(written(colours)).values, colours)
    film = written(np.stack([grey, grey[::-1]]), NumberOfFrames=2)
    assert dicom.read(film).frames == 2 and np.array_equal(dicom.read(film).values, grey)


def test_what_was_not_measured_is_no_number() -> None:
    scan = dicom.read(written(VALUES, PixelPaddingValue=0))
    assert np.isnan(scan.values[0, 0]) and np.array_equal(scan.values.ravel()[1:], VALUES.ravel()[1:])


def test_a_file_without_its_beginning_is_read() -> None:
    file = pydicom.dcmread(io.BytesIO(written(VALUES)))
    buffer = io.BytesIO()
    plain = pydicom.Dataset({element.tag: element for element in file})
    plain.save_as(buffer, implicit_vr=True, little_endian=True)
    assert not dicom.is_dicom(buffer.getvalue())
    assert np.array_equal(dicom.read(buffer.getvalue()).values, VALUES)


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(Usage, match=r"kaggle-baseline-kit\[dicom\]"):
        dicom.read(b"")
