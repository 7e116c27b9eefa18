"""What may be a property, the same on every runtime."""

import json

from beknown import values
from beknown.errors import BadValue

INFINITY = float("inf")


class Unprintable:
    pass


class Moment:
    def isoformat(self):
        return "2026-11-23T22:28:20"


def refused(value):
    try:
        values.plain(value, "properties.x")
    except BadValue as refusal:
        return str(refusal)
    raise AssertionError("accepted: " + repr(value))


def test_plain_values_stay_what_they_are():
    for value in ("text", "", 0, -1, 2**40, 1.5, True, False, None, [1, "a", None], {"a": {"b": [True]}}):
        assert values.plain(value) == value


def test_a_bool_stays_a_bool():
    assert json.dumps(values.plain([True, False])) == "[true, false]"


def test_not_a_number_and_infinities_become_none():
    assert values.plain([INFINITY - INFINITY, INFINITY, -INFINITY, 0.5]) == [None, None, None, 0.5]


def test_tuples_and_sets_become_lists():
    assert values.plain((1, 2)) == [1, 2]
    assert sorted(values.plain({3, 1})) == [1, 3]


def test_names_become_text():
    assert values.plain({1: "a"}) == {"1": "a"}


def test_dates_become_iso_text():
    assert values.plain(Moment()) == "2026-11-23T22:28:20"


def test_what_json_cannot_carry_is_refused_by_type_and_place():
    message = refused([Unprintable()])
    assert "Unprintable" in message
    assert "properties.x[]" in message


def test_long_text_is_cut():
    assert len(values.plain("x" * (values.MAX_STRING + 5))) == values.MAX_STRING


def test_half_an_emoji_is_replaced_and_two_that_fit_are_one():
    cut = {"name\ud83d": ["\ude00 x \ud83d", "\ud83d\ude00", "\ud83d\ud83d\ude00", "\ud55c\U0001f600"], "n": 1}
    mended = {"name\ufffd": ["\ufffd x \ufffd", "\U0001f600", "\ufffd\U0001f600", "\ud55c\U0001f600"], "n": 1}
    assert values.plain(cut) == values.whole(cut) == mended
    assert values.plain_properties(cut) == (mended, [])
    assert values.fingerprint(values.plain(cut)) == values.fingerprint(mended)
    deep = []
    for _ in range(500):
        deep = [deep]
    assert values.whole([deep, "\ud83d"]) == [deep, "\ufffd"]


def test_depth_and_size_are_bounded():
    deep = []
    for _ in range(values.MAX_DEPTH + 1):
        deep = [deep]
    assert "too deep" in refused(deep)
    assert "too large" in refused([0] * (values.MAX_ITEMS + 1))
    loop = {}
    loop["self"] = loop
    assert "too deep" in refused(loop)


def test_a_bad_property_costs_only_itself():
    kept, complaints = values.plain_properties({"good": 1, "bad": Unprintable()})
    assert kept == {"good": 1}
    assert len(complaints) == 1


def test_properties_must_be_an_object():
    assert values.plain_properties(None) == ({}, [])
    kept, complaints = values.plain_properties("plan")
    assert kept == {}
    assert "object" in complaints[0]


def test_fingerprints_ignore_the_order_of_keys_and_nothing_else():
    one = values.fingerprint({"a": 1, "b": {"c": [1, 2], "d": "é"}})
    assert one == values.fingerprint({"b": {"d": "é", "c": [1, 2]}, "a": 1})
    assert one != values.fingerprint({"a": 1, "b": {"c": [2, 1], "d": "é"}})
    assert values.fingerprint({"a": "1"}) != values.fingerprint({"a": 1})


class Nameless:
    def __str__(self):
        raise KeyError("no name")


def test_a_name_without_a_text_costs_its_property_alone():
    kept, complaints = values.plain_properties({Nameless(): 1, "inner": {Nameless(): 2}, "kept": {1: 3}})
    assert kept == {"kept": {"1": 3}}
    assert ["Nameless" in each for each in complaints] == [True, True]
