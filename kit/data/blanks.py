"""Blanks: the words by which people and programs write that a number or a date is not known."""

from __future__ import annotations

BLANK = frozenset({"", "na", "n/a", "nan", "null", "none", "nat", "?", "-"})  # stripped, in small letters


def is_blank(cell: str) -> bool:
    """Does a cell of numbers or dates say nothing?"""
    return cell.strip().lower() in BLANK
