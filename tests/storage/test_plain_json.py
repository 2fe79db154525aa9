"""Plain JSON: any reader takes it."""

import json

from hypothesis import given, strategies as st

from kit.storage import plain_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def refuse(word: str) -> None:
    raise AssertionError(word)


@given(VALUES)
def test_what_is_finite_comes_back_and_what_is_not_is_null(value: object) -> None:
    again = json.loads(plain_json.text(value), parse_constant=refuse)
    assert again == plain_json.finite(value)
    assert plain_json.finite({"a": [float("inf"), (float("nan"), 1.5)], "b": "NaN"}) == {"a": [None, [None, 1.5]], "b": "NaN"}
