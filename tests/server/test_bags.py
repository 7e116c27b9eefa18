"""Property bags: the quick way and the client's own table agree on everything that JSON can say."""

from __future__ import annotations

from typing import Any

from beknown.values import MAX_DEPTH, MAX_ITEMS, MAX_STRING, REFUSED, plain_properties
from beknown_server.bags import plain_bag
from hypothesis import example, given, settings
from hypothesis import strategies as st


def nested(depth: int, how: bool) -> Any:
    """Lists or objects within each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if how else {"a": value}
    return value


VALUES = st.one_of(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 64) - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    ),
    st.builds(nested, st.integers(MAX_DEPTH - 2, MAX_DEPTH + 2), st.booleans()),
    st.integers(MAX_STRING - 1, MAX_STRING + 1).map("x".__mul__),
    st.integers(MAX_ITEMS - 2, MAX_ITEMS + 2).map([0].__mul__),
    st.just({REFUSED: "an element"}),
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
@example({"brackets in text": "[{" * MAX_DEPTH, "after": [1.5]})
@example({"short": 1, "too deep": nested(MAX_DEPTH + 2, True), "kept": "x"})
def test_it_does_as_the_table_does(bag: dict[str, Any]) -> None:
    assert plain_bag(bag, "properties") == plain_properties(bag, "properties")


def test_what_was_given_is_left_as_it_was() -> None:
    given = {"a": 1, "b": {REFUSED: "an element"}}
    kept, dropped = plain_bag(given, "properties")
    assert (kept, len(dropped), len(given)) == ({"a": 1}, 1, 2)
    easy = {"a": 1}
    plain_bag(easy, "properties")[0].pop("a")
    assert easy == {"a": 1}
