"""JavaScript's values in a page's Python: converted or refused, the same on MicroPython and Pyodide."""

from beknown.errors import BadValue
from beknown.hosts import foreign

if foreign.IN_BROWSER:
    import js


def refusal(value):
    try:
        foreign.plain(value, "properties.x")
    except BadValue as refused:
        return str(refused)
    raise AssertionError("accepted")


def looped():
    loop = js.JSON.parse('{"inner": {}}')
    loop.inner.loop = loop
    return loop


def test_what_json_holds_is_kept():
    if not foreign.IN_BROWSER:
        return
    for text in ('{"a": [1, 2.5, null, {"b": "x"}], "t": true, "ms": 1795473649157}', "[]", "{}", "null"):
        value = js.JSON.parse(text)
        assert foreign.plain(value, "x") == foreign.json.loads(text)
    assert foreign.plain(js.Date.new(0), "x") == "1970-01-01T00:00:00.000Z"
    assert foreign.plain({"a": [js.JSON.parse("null"), js.undefined]}, "x") == {"a": [None, None]}
    assert foreign.plain(js.BigInt("12345678901234567890"), "x") == "12345678901234567890"


def test_what_json_would_show_nothing_of_is_refused_by_its_name():
    if not foreign.IN_BROWSER:
        return
    for kind in ("Map", "Set", "Error", "WeakMap"):
        value = getattr(js, kind).new()
        assert "JavaScript " + kind in refusal(value)
        assert "JavaScript " + kind in refusal({"inner": value})
        assert "properties.x.0 is a JavaScript " + kind in refusal(js.Array.of(value))
    assert "properties.x" in refusal(js.Promise.resolve(1))  # to Pyodide it is a future
    assert "JavaScript Function" in refusal(js.Object)


def test_what_json_would_fail_at_is_refused_before_it_throws():
    """What JavaScript throws goes through MicroPython's ``try``."""
    if not foreign.IN_BROWSER:
        return
    assert "a JavaScript BigInt" in refusal(js.Array.of(js.BigInt(1)))
    assert "cycle" in refusal(looped())
