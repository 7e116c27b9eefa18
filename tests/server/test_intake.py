"""One event as it came: what is mended, what is skipped, what it says about identity, and its time."""

from __future__ import annotations

from typing import Any

import pytest
from beknown.ids import uuid7
from beknown_server.grouping import MOST_NAMED
from beknown_server.identity import REFUSED
from beknown_server.intake import CLAIM_FIXES, FIXES, MAX_SET, SKIPS, Skip, Taken, Terms, described, taken
from beknown_server.moments import moment
from beknown_server.store import Group

from .conftest import NOW


def take(raw: Any, *, sent_at: int | None = None, **more: Any) -> Taken:
    terms = Terms(NOW, sent_at, more.pop("options", {}), lambda now: uuid7(now, bytes(10)), **more)
    return taken(raw, terms)


def event(**more: Any) -> dict[str, Any]:
    return {"event": "x", "distinct_id": "ada", **more}


def identify(**properties: Any) -> dict[str, Any]:
    return {"event": "$identify", "distinct_id": "ada", "properties": properties}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("x", "not an object"),
        ({"distinct_id": "ada"}, "no event name"),
        ({"event": " ", "distinct_id": "ada"}, "no event name"),
        ({"event": 1, "distinct_id": "ada"}, "no event name"),
        ({"event": "x"}, "no distinct_id"),
        ({"event": "x", "distinct_id": "  "}, "blank distinct_id"),
        (event(uuid="not-a-uuid"), "uuid is not a UUID"),
        (event(uuid=7), "uuid is not a UUID"),
    ],
)
def test_what_cannot_be_used_is_skipped_with_a_reason(raw: Any, reason: str) -> None:
    with pytest.raises(Skip, match=reason):
        take(raw)
    assert SKIPS[reason]


@pytest.mark.parametrize(
    ("raw", "distinct_id"),
    [
        ({"event": "x", "$distinct_id": "ada"}, "ada"),
        ({"event": "x", "distinct_id": None, "properties": {"distinct_id": "ada"}}, "ada"),
        ({"event": "x", "distinct_id": 42}, "42"),
        ({"event": "x", "distinct_id": True}, "true"),
        ({"event": "x", "distinct_id": ["a", 1]}, '["a",1]'),
        ({"event": "x", "distinct_id": "a\0b"}, "a\ufffdb"),
        ({"event": "x", "distinct_id": " ada "}, " ada "),
    ],
)
def test_the_distinct_id_is_found_and_made_text(raw: Any, distinct_id: str) -> None:
    assert take(raw).event.distinct_id == distinct_id


FROM_JS = {"$lib": "web", "$lib_version": "1.449.2", "$current_url": "https://shop.example/cart?mail=ada@x.example#top"}
SENDER = " (web 1.449.2 on https://shop.example/cart)"


@pytest.mark.parametrize(
    ("value", "kept", "complaints"),
    [
        ("i" * 201, "i" * 200, {"id_too_long": "i" * 80}),
        ("a\0b", "a\ufffdb", {"id_with_nul": "a\ufffdb"}),
        (42, "42", {"id_not_text": "42"}),
        (4.5, "4.5", {"id_not_text": "4.5"}),
        (0, "0", {"id_not_text": "0", "junk_id": "0"}),
        (False, "false", {"id_not_text": "false", "junk_id": "false"}),
        (["a", 1], '["a",1]', {"id_not_text": '["a",1]'}),
        ({"id": 1}, '{"id":1}', {"id_not_text": '{"id":1}'}),
        ([], "[]", {"id_not_text": "[]", "junk_id": "[]"}),
        (deep(300), "[object Object]", {"id_not_text": "[object Object]", "junk_id": "[object Object]"}),
        ("undefined", "undefined", {"junk_id": "undefined"}),
    ],
)
def test_a_doubtful_id_is_kept_and_the_warning_names_library_and_page(
    value: Any, kept: str, complaints: dict[str, str]
) -> None:
    found = take(event(distinct_id=value, properties=FROM_JS))
    assert found.event.distinct_id == kept
    assert dict(found.complaints) == {code: example + SENDER for code, example in complaints.items()}
    assert set(complaints) <= set(FIXES)


def test_a_claims_other_id_is_doubted_too() -> None:
    found = take({**identify(**{"$anon_distinct_id": 42}), "distinct_id": "ada"})
    assert found.complaints == [("id_not_text", "42")]
    assert found.event.claim.x == "42"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("x" * 300, "x" * 80),
        ([1], "a list"),
        ({}, "{}"),
        ({"event": "x"}, "event: x"),
        ({"event": deep(300), "distinct_id": None}, "event: a list, distinct_id: null"),
        ({"uuid": "7", "properties": FROM_JS}, "uuid: 7" + SENDER),
        ({"event": "x", "properties": {"$lib": 7, "$current_url": []}}, "event: x"),
    ],
)
def test_what_is_skipped_is_described_in_few_words(raw: Any, text: str) -> None:
    assert described(raw) == text


def test_properties_that_are_no_object_cost_themselves_not_the_event() -> None:
    found = take(event(properties=["a"]))
    assert (found.event.properties, found.complaints) == ({}, [("properties_not_an_object", "a list")])
    assert take(event(properties=None)).complaints == []


def test_a_group_key_over_400_characters_is_left_out() -> None:
    found = take(event(properties={"$groups": {"company": "c" * 401, "team": "t" * 400}}))
    assert found.event.properties["$groups"] == {"team": "t" * 400}
    assert found.complaints == [("group_key_too_long", "company: " + "c" * 80)]


# what was said of a group, what its key and type are then, and what is complained of
GROUPS = [
    ("company", "acme", ("company", "acme"), None),
    ("company", 7, ("company", "7"), None),
    ("company", True, ("company", "true"), None),
    ("company", {"id": [1]}, ("company", '{"id":[1]}'), None),
    ("com\0pany", "ac\0me", ("com\ufffdpany", "ac\ufffdme"), None),
    ("t" * 201, "acme", ("t" * 200, "acme"), None),
    ("company", None, None, ("group_without_name", "company: null")),
    ("company", "", None, ("group_without_name", "company: ")),
    ("company", " \n", None, ("group_without_name", "company:  \n")),
    ("company", "\ufeff", None, ("group_without_name", "company: \ufeff")),
    (" ", "acme", None, ("group_without_name", " : acme")),
    ("company", "c" * 401, None, ("group_key_too_long", "company: " + "c" * 80)),
]


@pytest.mark.parametrize(("kind", "key", "group", "complaint"), GROUPS)
def test_a_group_is_told_alike_by_an_event_of_its_own_and_by_those_that_belong_to_it(
    kind: str, key: Any, group: tuple[str, str] | None, complaint: tuple[str, str] | None
) -> None:
    own = take({"event": "$groupidentify", "distinct_id": "x", "properties": {"$group_type": kind, "$group_key": key}})
    belonging = take(event(properties={"$groups": {kind: key, "team": "blue"}}))
    blue = Group("team", "blue", {})
    wanted = (Group(*group, {}),) if group else ()
    assert (own.event.groups, belonging.event.groups) == (wanted, (*wanted, blue))
    assert belonging.event.properties["$groups"] == {**({kind: key} if group else {}), "team": "blue"}
    assert own.complaints == belonging.complaints == ([complaint] if complaint else [])


@pytest.mark.parametrize(
    ("given", "example"), [("acme", "acme"), (7, "7"), (["acme"], "a list"), (True, "true"), (None, None), ([], None)]
)
def test_groups_that_are_no_object_are_none(given: Any, example: str | None) -> None:
    found = take(event(properties={"$groups": given}))  # PHP writes an empty one as []
    assert found.event.groups == ()
    assert found.complaints == ([("group_without_name", f"$groups: {example}")] if example else [])


def test_an_event_belongs_to_so_many_groups_and_no_more() -> None:
    found = take(event(properties={"$groups": {f"type {number}": "x" for number in range(9000)}}))
    assert len(found.event.groups) == len(found.event.properties["$groups"]) == MOST_NAMED
    assert found.complaints == [("too_many_groups", "$groups of 9000 types")]


def test_a_group_that_is_described_and_belonged_to_is_told_once() -> None:
    about = {"$group_type": "company", "$group_key": 7, "$group_set": {"seats": 5}}
    properties = {**about, "$groups": {"company": "7", "team": "blue"}}
    found = take({"event": "$groupidentify", "distinct_id": "ada", "properties": properties}).event
    assert found.groups == (Group("company", "7", {"seats": 5}), Group("team", "blue", {}))


def test_an_event_without_a_person_profile_belongs_to_no_group() -> None:
    found = take(event(properties={"$process_person_profile": False, "$groups": {"company": "acme"}}))
    assert (found.event.groups, found.event.properties, found.complaints) == (
        (),
        {"$process_person_profile": False},
        [],
    )


def test_too_much_about_a_person_writes_nothing_and_keeps_the_event() -> None:
    large = {f"p{n}": "x" * 60_000 for n in range(MAX_SET // 60_000 + 1)}
    found = take(event(**{"$set": large, "properties": {"$unset": ["old"], "plan": "pro"}}))
    assert (found.event.set_, found.event.unset, found.event.properties["plan"]) == ({}, ["old"], "pro")
    assert [code for code, _ in found.complaints] == ["set_too_large"]


def test_what_is_to_be_unset_may_be_a_list_or_an_object_s_keys() -> None:
    assert take(event(properties={"$unset": {"a": 1, "b": None}})).event.unset == ["a", "b"]
    assert take(event(**{"$unset": ["a", deep(1100), None, 7]})).event.unset == ["a", "7"]


def test_a_missing_or_empty_uuid_is_made_and_a_given_one_kept_in_lower_case() -> None:
    assert take(event(uuid="")).event.uuid == uuid7(NOW, bytes(10))
    assert take(event(uuid="0195A0B2-0000-7000-8000-00000000000A")).event.uuid[-1] == "a"


def test_what_was_mended_is_complained_about() -> None:
    found = take(
        {"event": "n" * 300, "distinct_id": "i" * 300, "timestamp": "yesterday", "properties": {"x": deep(50)}}
    )
    assert (len(found.event.event), len(found.event.distinct_id)) == (200, 200)
    codes = {code for code, _ in found.complaints}
    assert codes == {"name_too_long", "id_too_long", "bad_timestamp", "property_dropped"}
    assert codes <= set(FIXES)


def test_a_junk_id_is_kept_under_itself_and_complained_about() -> None:
    found = take(event(distinct_id="undefined"))
    assert found.event.distinct_id == "undefined"
    assert found.complaints == [("junk_id", "undefined")]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-23T22:00:00Z", 1_795_471_200_000),
        ("2026-11-23T22:00:00.123456+00:00", 1_795_471_200_123),
        ("2026-11-24T01:00:00+03", 1_795_471_200_000),
        ("2026-11-23 22:00:00", 1_795_471_200_000),
        ("2026/11/23 22:00:00", 1_795_471_200_000),
        ("2026-11-23", 1_795_392_000_000),
        ("Mon, 23 Nov 2026 22:00:00 GMT", 1_795_471_200_000),
        ("1795471200", 1_795_471_200_000),
        (1795471200000, 1_795_471_200_000),
        (1795471200.5, 1_795_471_200_500),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
    ],
)
def test_it_reads_the_times_that_sdks_write(text: Any, ms: int) -> None:
    assert moment(text) == ms


@pytest.mark.parametrize("text", ["", "soon", None, True, [], {}, float("nan"), "9" * 70, "2026-13-45", -5, 1e300])
def test_what_is_no_time_is_none(text: Any) -> None:
    assert moment(text) is None


def at(ms: int) -> str:
    return str(ms)


@pytest.mark.parametrize(
    ("said", "sent_at", "stored"),
    [
        pytest.param(NOW - 5000, None, NOW - 5000, id="no sender's clock"),
        pytest.param(NOW - 5000, NOW - 59_000, NOW - 5000, id="transit is not skew"),
        pytest.param(NOW - 90_000, NOW - 61_000, NOW - 29_000, id="a clock that is behind"),
        pytest.param(NOW + 3_600_000, NOW + 3_605_000, NOW - 5000, id="a clock that is ahead"),
        pytest.param(NOW + 24 * 3_600_000, None, NOW, id="over 23 hours ahead"),
        pytest.param(NOW + 22 * 3_600_000, None, NOW + 22 * 3_600_000, id="under 23 hours ahead"),
    ],
)
def test_a_clock_is_corrected_beyond_a_minute(said: int, sent_at: int | None, stored: int) -> None:
    assert take(event(timestamp=at(said)), sent_at=sent_at).event.timestamp == stored


def test_what_a_clock_is_known_to_be_ahead_is_told_where_it_is_not_corrected() -> None:
    def ahead(said: str | None, sent_at: int | None) -> int:
        return take(event(timestamp=said), sent_at=sent_at).event.ahead

    assert ahead(at(NOW + 40_000), NOW + 45_000) == 45_000
    assert ahead(at(NOW + 3_600_000), NOW + 3_605_000) == 0
    assert ahead(at(NOW - 5000), NOW - 3000) == 0
    assert ahead(at(NOW - 5000), None) == 0
    assert ahead(None, NOW + 45_000) == 0


def test_an_event_may_ask_to_keep_its_time() -> None:
    raw = event(timestamp=at(NOW - 90_000), properties={"$ignore_sent_at": True})
    assert take(raw, sent_at=NOW - 600_000).event.timestamp == NOW - 90_000


def test_an_offset_counts_back_from_now_and_nothing_is_now() -> None:
    assert take(event(offset=250)).event.timestamp == NOW - 250
    assert take(event(offset="soon")).event.timestamp == NOW
    assert take(event()).event.timestamp == NOW


def test_person_properties_are_read_from_both_places_and_the_top_level_wins() -> None:
    raw = event(**{"$set": {"a": 1}, "properties": {"$set": {"a": 2, "b": 3}, "$set_once": {"c": 4}, "$unset": ["d"]}})
    found = take(raw).event
    assert (found.set_, found.set_once, found.unset) == ({"a": 1, "b": 3}, {"c": 4}, ["d"])
    assert found.properties["$set"] == {"a": 1, "b": 3}


def test_what_sdks_leak_into_set_is_dropped() -> None:
    leaked = {"$context_tags": ["a"], "$session_id": "s", "plan": "pro"}
    assert take(event(**{"$set": leaked})).event.set_ == {"plan": "pro"}


def test_a_servers_system_and_place_never_reach_a_person() -> None:
    own = {"$os": "Linux", "$geoip_city_name": "Ashburn", "$initial_os": "Linux", "plan": "pro"}
    raw = event(**{"$set": own, "properties": {"$lib": "posthog-python"}})
    assert take(raw).event.set_ == {"plan": "pro"}
    assert take(event(**{"$set": own})).event.set_ == own


@pytest.mark.parametrize("name", ["$exception", "$groupidentify", "$$heatmap"])
def test_some_events_write_nothing_on_the_person(name: str) -> None:
    assert take({"event": name, "distinct_id": "ada", "$set": {"a": 1}}).event.set_ == {}


# What would say who is who, or what a group is (posthog-server §2.8): with their own words for it, and without.
NEEDING_A_PROFILE = [
    ("$identify", {"$anon_distinct_id": "anon-1"}),
    ("$identify", {"$previous_user": "switched"}),
    ("$identify", {}),
    ("$create_alias", {"alias": "anon-1"}),
    ("$create_alias", {}),
    ("$merge_dangerously", {"alias": "bob"}),
    ("$groupidentify", {"$group_type": "company", "$group_key": "acme", "$group_set": {"a": 1}}),
    ("$groupidentify", {}),
]


@pytest.mark.parametrize(("name", "about"), NEEDING_A_PROFILE)
def test_an_event_without_a_person_profile_writes_and_links_nothing_and_that_is_said(
    name: str, about: dict[str, Any]
) -> None:
    sender = {"$lib": "web", "$lib_version": "1.2", "$current_url": "https://shop/a?b"}
    properties = {**sender, **about, "$process_person_profile": False, "$set": {"a": 1}}
    found = take({"event": name, "distinct_id": "ada", "properties": properties}, options={"merge_dangerously": True})
    assert (found.event.set_, found.event.claim, found.event.groups) == ({}, None, ())
    assert not {"$anon_distinct_id", "alias"} & found.event.properties.keys()
    assert found.complaints == [("personless_identity", f"{name} for ada (web 1.2 on https://shop/a)")]


def test_any_other_event_may_do_without_a_person_profile() -> None:
    assert take(event(properties={"$process_person_profile": False})).complaints == []


def test_only_a_boolean_switches_the_profile_off() -> None:
    found = take(event(properties={"$process_person_profile": "false", "$set": {"a": 1}}))
    assert found.event.set_ == {"a": 1}
    assert [code for code, _ in found.complaints] == ["invalid_process_person_profile"]


def test_an_identify_with_an_anonymous_id_is_a_claim_and_a_bare_one_is_not() -> None:
    claim = take(identify(**{"$anon_distinct_id": "anon-1"})).event.claim
    assert (claim.kind, claim.x, claim.y, claim.refused) == ("claim", "anon-1", "ada", None)
    assert take(identify()).event.claim is None
    claim = take(identify(**{"$previous_user": "switched"})).event.claim
    assert (claim.kind, claim.x, claim.y, claim.refused) == ("named", "ada", "ada", None)


@pytest.mark.parametrize(
    ("anonymous", "rule"), [(None, "junk_id"), ("undefined", "junk_id"), ("ada", "same_id"), ("x" * 201, "junk_id")]
)
def test_a_claim_with_a_bad_anonymous_id_is_refused(anonymous: Any, rule: str) -> None:
    assert take(identify(**{"$anon_distinct_id": anonymous})).event.claim.refused == rule


def test_a_claim_on_an_overlong_user_is_refused_although_the_id_was_cut() -> None:
    raw = {"event": "$identify", "distinct_id": "u" * 201, "properties": {"$anon_distinct_id": "anon-1"}}
    assert take(raw).event.claim.refused == "junk_id"


def test_alias_absorbs_its_alias_and_forced_merges_need_the_projects_leave() -> None:
    alias = {"event": "$create_alias", "distinct_id": "anon-1", "properties": {"alias": "u1"}}
    claim = take(alias).event.claim
    assert (claim.kind, claim.x, claim.y, claim.refused) == ("alias", "u1", "anon-1", None)
    forced = {**alias, "event": "$merge_dangerously"}
    assert take(forced).event.claim.refused == "not_allowed"
    assert take(forced, options={"merge_dangerously": True}).event.claim.refused is None


def test_engage_without_a_name_identifies() -> None:
    found = take({"$distinct_id": "ada", "$set": {"a": 1}}, nameless_is_identify=True).event
    assert (found.event, found.set_) == ("$identify", {"a": 1})


def test_every_refusal_of_a_claim_comes_with_advice() -> None:
    assert set(CLAIM_FIXES) == set(REFUSED)
