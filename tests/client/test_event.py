"""The envelope: names, precedence, addresses."""

from beknown import event, ids, state

CALL = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
ENTRY = {
    "at": 1795473649157,
    "url": "https://shop.example.com:8443/pricing/?utm_source=news%20letter&utm_medium=e+mail&q=1#top",
    "referrer": "https://ada:pw@search.example.org/find?q=tracker",
    "title": "Pricing",
    "window": "w1",
}


def visited():
    """Give the state of a visitor whose session has begun."""
    found = state.fresh("d1")
    found.touch(ENTRY["at"], CALL)
    return found


def made(**changes):
    wanted = {"call": CALL, "entry": ENTRY, "state": visited(), "facts": {}, "properties": {}}
    wanted.update(changes)
    wanted.setdefault("identity", wanted["state"].identity)
    wanted.setdefault("kept", wanted["state"])
    return event.build("opened", **wanted)


def test_addresses_fall_apart_into_host_path_and_query():
    assert event.split_url("https://u:p@a.example:8080/x/y?b=1#c") == ("a.example:8080", "/x/y", "b=1")
    assert event.split_url("http://a.example") == ("a.example", "/", "")
    assert event.split_url("http://a.example?x=/y") == ("a.example", "/", "x=/y")
    assert event.split_url("about:blank") == ("", "", "")


def test_an_event_says_where_the_visitor_is_and_came_from():
    properties = made()["properties"]
    assert properties["$host"] == "shop.example.com:8443"
    assert properties["$pathname"] == "/pricing/"
    assert properties["$referring_domain"] == "search.example.org"
    assert properties["title"] == "Pricing"
    assert (properties["utm_source"], properties["utm_medium"]) == ("news letter", "e mail")


def test_a_visitor_without_a_referrer_came_directly():
    entry = dict(ENTRY)
    entry["referrer"] = ""
    properties = made(entry=entry)["properties"]
    assert properties["$referrer"] == properties["$referring_domain"] == "$direct"


def test_the_callers_properties_beat_registered_ones_and_those_beat_the_pages():
    visitor = visited()
    visitor.registered = {"title": "registered", "plan": "registered"}
    properties = made(state=visitor, properties={"plan": "mine"})["properties"]
    assert properties["title"] == "registered"
    assert properties["plan"] == "mine"


def test_nobody_may_say_who_is_identified_but_us():
    properties = made(properties={"$device_id": "x", "$session_id": "x", "$is_identified": True, "$lib": "x"})[
        "properties"
    ]
    assert properties["$device_id"] == "d1"
    assert properties["$session_id"] == ids.derived(CALL, "session")
    assert properties["$is_identified"] is False
    assert properties["$lib"] == "beknown"


def test_one_calls_events_have_ids_of_their_own_that_repeat():
    first, second = made()["uuid"], made(number=1)["uuid"]
    assert first == CALL
    assert second == made(number=1)["uuid"] != first
    assert ids.is_uuid(second)


def test_an_anonymous_event_makes_no_profile_unless_it_says_something_of_the_person():
    assert made()["properties"]["$process_person_profile"] is False
    assert made(top={"$set": {"plan": "pro"}})["properties"]["$process_person_profile"] is True


def test_the_first_touch_holds_address_referrer_and_campaign():
    first = event.first_touch(event.page_properties(ENTRY))
    assert first["$initial_utm_source"] == "news letter"
    assert first["$initial_referring_domain"] == "search.example.org"
    assert first["$initial_pathname"] == "/pricing/"
    assert "$initial_title" not in first


def test_odd_percent_signs_survive():
    assert event.unquote("100%25%zz%") == "100%%zz%"
    assert event.unquote("caf%C3%A9+au+lait") == "café au lait"
    assert event.unquote("%ff") == "%ff"


def test_what_the_browser_does_not_tell_is_left_out():
    properties = made(facts={"agent": "A" * 2000, "language": "de-CH", "screen": [1280, 720], "viewport": [800, 600]})[
        "properties"
    ]
    assert len(properties["$raw_user_agent"]) == 1000
    assert properties["$browser_language_prefix"] == "de"
    assert (properties["$viewport_width"], properties["$viewport_height"]) == (800, 600)
    assert "$timezone" not in properties
