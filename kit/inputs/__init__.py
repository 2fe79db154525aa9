"""Inputs: how a row becomes an array."""

from kit.inputs.base import Inputs
from kit.inputs.images import Images
from kit.inputs.packed import Packed
from kit.inputs.pixels import Pixels
from kit.inputs.table import Table
from kit.inputs.text import Text

__all__ = ["Images", "Inputs", "Packed", "Pixels", "Table", "Text"]
