"""Plain JSON: what the kit writes and prints. JSON knows no NaN and no infinity: null stands for a number that is none."""

from __future__ import annotations

import json
import math
from typing import Any


def text(content: Any, indent: int | None = None) -> str:
    """Plain values as JSON that every reader takes."""
    try:
        return json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(finite(content), indent=indent, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Plain values with None in the place of a number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
