"""Number text: many float32 as text at once, for predictions of thousands of columns, which take minutes one by one."""

from __future__ import annotations

import numpy as np

DIGITS = 9  # decimal digits that tell every float32 from its neighbours
PLACES = {"sign": 0, "first": 1, "point": 2, "others": 3, "e": 2 + DIGITS, "minus": 3 + DIGITS, "power": 4 + DIGITS}
WIDTH = 7 + DIGITS  # -d.dddddddde-dd,


def lines(heads: list[str], values: np.ndarray) -> bytes:
    """Lines of a CSV: a head (an id as it is to be written), then the finite float32 numbers [rows, columns] of a row.

    Each is read as the same float32 again. They are written as 1.5e-3, with no more digits than are not zero.
    """
    letters, kept = _letters(values.astype(np.float64))
    letters[:, -1, -1] = ord("\n")
    lengths = kept.sum(axis=(1, 2))
    text, ends = letters[kept].tobytes(), np.cumsum(lengths)
    rows = zip(heads, ends - lengths, ends, strict=True)
    return b"".join(b"%b,%b" % (head.encode(), text[begin:end]) for head, begin, end in rows)


def _letters(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The letters uint8 [rows, columns, WIDTH] of numbers, and which of them are written."""
    size = np.abs(values)
    with np.errstate(divide="ignore"):
        power = np.where(size > 0, np.floor(np.log10(size)), 0.0)
    digits = _scaled(size, power)
    power += (digits >= 10**DIGITS).astype(int) - (digits < 10 ** (DIGITS - 1)).astype(int) * (size > 0)
    digits = _scaled(size, power).astype(np.uint32)
    letters = np.empty((*values.shape, WIDTH), np.uint8)
    kept = np.ones(letters.shape, bool)
    shown = np.zeros(values.shape, bool)  # is a digit behind this one not zero?
    for place in range(DIGITS - 1, 0, -1):
        rest = digits // 10
        digit = (digits - rest * 10).astype(np.uint8)
        shown |= digit > 0
        letters[..., PLACES["others"] + place - 1], kept[..., PLACES["others"] + place - 1] = digit + ord("0"), shown
        digits = rest
    letters[..., PLACES["first"]] = digits.astype(np.uint8) + ord("0")
    for name, letter in (("sign", "-"), ("point", "."), ("e", "e"), ("minus", "-")):
        letters[..., PLACES[name]] = ord(letter)
    kept[..., PLACES["sign"]], kept[..., PLACES["point"]], kept[..., PLACES["minus"]] = np.signbit(values), shown, power < 0
    low, most = np.abs(power).astype(np.uint8), PLACES["power"]
    letters[..., most], letters[..., most + 1] = low // 10 + ord("0"), low % 10 + ord("0")
    kept[..., PLACES["e"]] = kept[..., most + 1] = power != 0
    kept[..., most] = low > 9
    letters[..., -1] = ord(",")
    return letters, kept


def _scaled(size: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Numbers as whole ones of DIGITS digits, where `power` is that of their first digit."""
    return np.rint(size * 10.0 ** (DIGITS - 1 - power))
