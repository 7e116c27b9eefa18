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
    assert foreign.plain(js.URL.new("https://a.example/x?y=1"), "x") == "https://a.example/x?y=1"
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


def test_what_hides_all_it_holds_is_refused_by_its_class():
    if not foreign.IN_BROWSER:
        return
    made = js.Function.new("name", "return name ? new (class Account { #x = 1 })() : new (class { #x = 1 })()")
    assert "properties.x is a JavaScript Account" in refusal(made("x"))
    assert "properties.x.0 is a JavaScript object that hides all" in refusal(js.Array.of(made("")))
    assert foreign.plain(js.JSON.parse("{}"), "x") == {}


def test_what_is_too_large_is_refused_before_it_is_gone_through():
    if not foreign.IN_BROWSER:
        return
    for value in (js.Array.new(10**8), js.Array.of(js.Array.new(6000), js.Array.new(6000))):
        assert "too large" in refusal(value)
    names = js.JSON.parse(foreign.json.dumps({str(n): n for n in range(10001)}))
    assert "too large" in refusal(names)


def test_what_json_would_fail_at_is_refused_before_it_throws():
    """What JavaScript throws goes through MicroPython's ``try``."""
    if not foreign.IN_BROWSER:
        return
    assert "a JavaScript BigInt" in refusal(js.Array.of(js.BigInt(1)))
    assert "cycle" in refusal(looped())
