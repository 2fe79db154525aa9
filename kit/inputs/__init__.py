"""Inputs: how a row becomes an array."""

from kit.inputs.base import Inputs, Loaded
from kit.inputs.images import Images
from kit.inputs.packed import Packed
from kit.inputs.pixels import Pixels
from kit.inputs.table import Table
from kit.inputs.text import Text

DETECTED: tuple[type[Inputs], ...] = (Pixels, Images, Text, Table)  # the kinds that files can tell, the surest first
__all__ = ["DETECTED", "Images", "Inputs", "Loaded", "Packed", "Pixels", "Table", "Text"]
