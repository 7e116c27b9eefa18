"""What an event says of its person, line by line as the reference has it (posthog-server §1.5, §2.7, §2.8)."""

from __future__ import annotations

from typing import Any

import pytest
from beknown.record import OURS
from beknown_server.traits import READ_OFF, traits


def said(properties: dict[str, Any], name: str = "x", **top: Any) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    complaints: list[str] = []
    found = traits(top, properties, name, lambda code, example: complaints.append(code))
    assert not complaints
    return found


BAG = {"plan": "pro"}

# Where each SDK puts them (posthog-server §5.1, §5.3; posthog-js §5).
PLACES = [
    pytest.param({}, {"$set": BAG}, id="set() of posthog-python, $identify of posthog-js"),
    pytest.param({"$set": BAG}, {}, id="identify() of posthog-node, capture() with $set"),
    pytest.param({"$set": {"plan": "free"}}, {"$set": BAG}, id="both: the top wins"),
    pytest.param({"$set": None}, {"$set": BAG}, id="null is nothing"),
    pytest.param({"$set": [1]}, {"$set": BAG}, id="a list is nothing"),
]


@pytest.mark.parametrize(("inner", "top"), PLACES)
def test_set_is_found_wherever_sdks_put_it(inner: dict[str, Any], top: dict[str, Any]) -> None:
    assert said(dict(inner), **top)[0] == BAG


@pytest.mark.parametrize(("inner", "top"), PLACES)
def test_and_so_is_set_once(inner: dict[str, Any], top: dict[str, Any]) -> None:
    def once(bag: dict[str, Any]) -> dict[str, Any]:
        return {"$set_once": bag["$set"]} if bag else {}

    assert said(once(inner), **once(top))[1] == BAG


def test_a_null_is_a_value_that_can_be_set() -> None:
    assert said({"$set": {"a": None}, "$set_once": {"b": None}})[:2] == ({"a": None}, {"b": None})


@pytest.mark.parametrize(
    ("properties", "top"),
    [
        ({"$unset": ["a", "b"]}, {}),
        ({"$unset": {"a": 1, "b": None}}, {}),
        ({}, {"$unset": ["a", "b"]}),
        ({"$unset": []}, {"$unset": ["a", "b"]}),
    ],
)
def test_unset_is_a_list_or_the_keys_of_an_object(properties: dict[str, Any], top: dict[str, Any]) -> None:
    assert said(properties, **top)[2] == ["a", "b"]


@pytest.mark.parametrize("nothing", [None, "a", 7, True])
def test_anything_else_unsets_nothing(nothing: Any) -> None:
    assert said({"$unset": nothing})[2] == []


def test_what_was_asked_for_stays_on_the_event_and_what_is_read_off_does_not() -> None:
    properties = {"$browser": "Firefox", "$set": {"a": 1}}
    assert said(properties, **{"$set_once": {"b": 2}, "$unset": ["c"]})
    assert properties == {"$browser": "Firefox", "$set": {"a": 1}, "$set_once": {"b": 2}, "$unset": ["c"]}
    assert said(dict(properties)) == said(dict(properties))


# What is read off an event for the person, name by name as §2.7 has it: what is missing from the code fails here.
MAPPED = """
$app_build $app_name $app_namespace $app_version $browser $browser_version $device_type $current_url $pathname
$os $os_version $referring_domain $referrer $screen_height $screen_width $viewport_height $viewport_width
$raw_user_agent utm_source utm_medium utm_campaign utm_content utm_name utm_term gclid gad_source gclsrc dclid
gbraid wbraid fbclid msclkid twclid li_fat_id mc_cid igshid ttclid rdt_cid irclid _kx epik qclid sccid
""".split()


def test_what_is_read_off_is_the_references_list_no_more_and_no_less() -> None:
    assert len(MAPPED) == 43
    assert sorted(READ_OFF) == sorted(MAPPED)


@pytest.mark.parametrize("key", MAPPED)
def test_each_mapped_property_is_the_persons_now_and_at_first(key: str) -> None:
    set_, once, _ = said({key: "v", "other": 1})
    assert (set_, once) == ({key: "v"}, {"$initial_" + key.lstrip("$"): "v"})


def test_the_older_name_of_the_system_counts_where_the_newer_is_missing() -> None:
    assert said({"$os_name": "iOS"})[0] == {"$os": "iOS"}
    assert said({"$os_name": "iOS", "$os": "macOS"})[0] == {"$os": "macOS"}


def test_what_the_caller_says_goes_before_what_is_read_off() -> None:
    own = {"$set": {"$browser": "Ada's"}, "$set_once": {"$initial_browser": "1st"}}
    set_, once, _ = said({"$browser": "Firefox", **own})
    assert (set_["$browser"], once["$initial_browser"]) == ("Ada's", "1st")


# What upstream's server libraries call themselves, and the mark that ours and its newer ones send.
SERVER_LIBRARIES = (
    "posthog-python posthog-node posthog-edge posthog-go posthog-ruby posthog-php posthog-java posthog-server "
    "posthog-dotnet posthog-elixir posthog-rs"
).split()
SERVERS = [{"$is_server": True}, OURS, *({"$lib": name} for name in SERVER_LIBRARIES)]


@pytest.mark.parametrize("server", SERVERS, ids=lambda one: str(one.get("$lib")))
def test_a_server_tells_neither_its_own_system_nor_its_address_as_a_first_touch(server: dict[str, Any]) -> None:
    own = {"$os": "Linux", "$os_version": "6", "$geoip_city_name": "Ashburn", "$initial_os": "Linux"}
    address = {"$current_url": "https://shop/api", "$pathname": "/api"}
    set_, once, _ = said({**server, **own, **address, "$set": {**own, "plan": "pro"}, "$set_once": dict(own)})
    assert (set_, once) == ({"plan": "pro", **address}, {})


@pytest.mark.parametrize("key", sorted({*READ_OFF} - {"$os", "$os_version", "$current_url", "$pathname"}))
def test_what_else_a_server_passes_on_is_the_persons_now_and_at_first(key: str) -> None:
    set_, once, _ = said({**OURS, key: "v"})
    assert (set_, once) == ({key: "v"}, {"$initial_" + key.lstrip("$"): "v"})


@pytest.mark.parametrize("library", ["web", "beknown", "posthog-js", "posthog-ios", "posthog-android", 7, None])
def test_a_device_tells_its_system_and_its_address(library: Any) -> None:
    _, once, _ = said({"$lib": library, "$os": "iOS", "$current_url": "https://shop/"})
    assert once == {"$initial_os": "iOS", "$initial_current_url": "https://shop/"}


@pytest.mark.parametrize("name", ["$exception", "$$heatmap", "$groupidentify", "$feature_flag_called"])
def test_what_is_not_about_a_person_writes_nothing(name: str) -> None:
    assert said({"$set": BAG, "$browser": "Firefox", "$unset": ["a"]}, name) == ({}, {}, [])


def test_without_a_person_profile_nothing_is_written_and_nothing_stays() -> None:
    properties = {"$process_person_profile": False, "$set": BAG, "$set_once": BAG, "$unset": ["a"], "$browser": "x"}
    assert said(properties) == ({}, {}, [])
    assert properties == {"$process_person_profile": False, "$browser": "x"}


@pytest.mark.parametrize("name", ["$set", "$identify", "$create_alias", "$merge_dangerously", "x"])
def test_these_write(name: str) -> None:
    assert said({"$set": BAG}, name)[0] == BAG


def test_what_posthog_python_leaks_into_set_is_no_trait() -> None:
    leaked = {"tenant": "acme", "$context_tags": ["tenant"], "$session_id": "s1"}
    assert said({}, "$set", **{"$set": leaked})[0] == {"tenant": "acme"}
