"""The tracker as its hosts use it: calls in, effects out, a server that answers or does not."""

import json

from beknown import ids, session, tracker, values, wire

SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
START = 1795473649157
HALF = 0.5


class Page:
    """A page and its browser's storage, without a browser."""

    def __init__(self, stored=None, at=START, facts=None, options=None):
        self.stored = stored or ["", ""]
        self.journal = {}
        self.said = []
        self.stopped = False
        self.at = at
        self.count = 0
        self.tracker = tracker.Tracker("bk_test", facts or {}, self.stored, seed=SEED, options=options)

    def call(self, name, *args, after=1000):
        self.at += after
        self.count += 1
        call = ids.uuid7(self.at, bytes([self.count] * 10))
        entry = {"call": name, "args": list(args), "at": self.at, "url": "https://a.example/x", "window": "w"}
        self.journal[call] = json.dumps(entry)
        self.tracker.take(call, self.journal[call])
        self.carry_out()
        return call

    def carry_out(self):
        for effect in self.tracker.effects():
            if effect[0] == "journal":
                self.journal[effect[1]] = effect[2]
            elif effect[0] == "store":
                self.stored = effect[1:]
            elif effect[0] == "done":
                for call in effect[1]:
                    self.journal.pop(call, None)
            elif effect[0] == "say":
                self.said.append(effect[2])
            else:
                self.stopped = effect == ["stopped"]

    def send(self):
        """Give the events of the next request, in order; empty if there is nothing to send now."""
        self.at += tracker.LINGER
        body = self.tracker.request(self.at)
        return json.loads(body)["batch"] if body else []

    def answer(self, status=200, **more):
        self.tracker.answered(status, self.at, chance=HALF, **more)
        self.carry_out()

    def next_page(self):
        """Leave for another page of the site: Python dies, storage and journal stay."""
        page = Page(self.stored, self.at)
        page.count = self.count
        page.journal = self.journal
        for call in sorted(self.journal):
            page.tracker.take(call, self.journal[call])
        page.carry_out()
        return page

    @property
    def identity(self):
        return self.tracker.state.identity


def test_a_first_capture_is_filed_under_the_visitors_one_id():
    page = Page()
    call = page.call("capture", "signup_clicked", {"plan": "pro"})
    (event,) = page.send()
    assert event["uuid"] == call
    assert event["event"] == "signup_clicked"
    assert event["distinct_id"] == event["properties"]["$device_id"] == SEED
    assert event["properties"]["plan"] == "pro"
    assert event["timestamp"] == wire.iso(START + 1000)


def test_sign_up_claims_the_anonymous_id_and_what_follows_is_the_users():
    page = Page()
    page.call("capture", "before")
    page.call("identify", "ada", {"plan": "pro"}, {"source": "ad"})
    page.call("capture", "after")
    before, identify, after = page.send()
    assert before["distinct_id"] == SEED
    assert identify["event"] == "$identify"
    assert identify["distinct_id"] == after["distinct_id"] == "ada"
    assert identify["properties"]["$anon_distinct_id"] == SEED
    assert identify["$set"] == {"plan": "pro"}
    assert identify["$set_once"]["source"] == "ad"
    assert identify["$set_once"]["$initial_host"] == "a.example"
    assert after["properties"]["$device_id"] == SEED
    assert (before["properties"]["$is_identified"], after["properties"]["$is_identified"]) == (False, True)


def test_identifying_again_says_something_only_if_properties_changed():
    page = Page()
    page.call("identify", "ada", {"plan": "pro", "seats": 2})
    page.call("identify", "ada")
    page.call("identify", "ada", {"seats": 2, "plan": "pro"})
    page.call("identify", "ada", {"plan": "free"})
    assert [event["event"] for event in page.send()] == ["$identify", "$set"]


def test_a_claim_is_said_again_for_a_signature_that_was_not_said_with_it_and_once():
    page = Page()
    anonymous = page.tracker.state.identity.distinct_id
    page.call("identify", "ada", {"plan": "pro"})  # out of a cache: the server refuses it as unsigned
    page.send()
    page.answer()
    page = page.next_page()
    page.call("identify", "ada", {"plan": "pro"}, None, {"signature": "right"})
    page.call("set_person_properties", {"plan": "max"})
    page.call("identify", "ada", None, None, {"signature": "right"})
    claim, about = page.send()
    assert (claim["event"], claim["distinct_id"]) == ("$identify", "ada")
    assert claim["properties"]["$anon_distinct_id"] == anonymous
    assert claim["properties"]["$signature"] == "right"
    assert (about["event"], about["$set"]) == ("$set", {"plan": "max"})
    page.answer()
    page = page.next_page()
    page.call("identify", "ada", None, None, {"signature": "right"})
    page.call("identify", "ada")
    assert page.send() == []
    page.call("identify", "ada", None, None, {"signature": "of a key that was replaced"})
    assert [each["properties"]["$anon_distinct_id"] for each in page.send()] == [anonymous]


def test_a_signature_says_no_claim_again_that_was_not_this_visitors():
    page = Page()
    page.call("identify", "ada")
    page.call("identify", "bob")  # no reset() before it: Bob claims nobody
    page.call("identify", "bob", None, None, {"signature": "right"})
    claims = [each["properties"] for each in page.send() if each["event"] == "$identify"]
    assert ["$anon_distinct_id" in each for each in claims] == [True, False]
    page.answer()
    page.call("reset")
    anonymous = page.tracker.state.identity.distinct_id
    page.call("identify", "ada", None, None, {"signature": "right"})
    assert [each["properties"]["$anon_distinct_id"] for each in page.send()] == [anonymous]
    page.answer()
    page.call("identify", "ada", None, None, {"signature": "right"})
    assert page.send() == []


def test_a_second_user_without_reset_is_split_from_the_first():
    page = Page()
    page.call("identify", "ada")
    page.call("identify", "bob")
    _, second = page.send()
    assert second["distinct_id"] == "bob"
    assert "$anon_distinct_id" not in second["properties"]
    assert second["properties"]["$previous_user"] == "switched"
    assert second["properties"]["$device_id"] != SEED
    assert "reset()" in page.said[0]


def test_log_out_starts_an_anonymous_visitor_and_session_on_the_same_device():
    page = Page()
    page.call("identify", "ada")
    page.call("reset")
    page.call("capture", "next")
    identify, after = page.send()
    assert after["distinct_id"] not in ("ada", SEED)
    assert after["properties"]["$device_id"] == SEED
    assert after["properties"]["$session_id"] != identify["properties"]["$session_id"]


def test_reset_of_the_device_leaves_nothing_in_common():
    page = Page()
    page.call("identify", "ada")
    page.call("reset", {"device": True})
    page.call("capture", "next")
    after = page.send()[1]
    assert after["properties"]["$device_id"] == after["distinct_id"] != SEED


def test_reset_forgets_registered_properties_save_those_named():
    page = Page()
    page.call("register", {"theme": "dark", "cart": 3})
    page.call("reset", {"keep": ["theme", "unknown"]})
    page.call("capture", "next")
    properties = page.send()[0]["properties"]
    assert properties["theme"] == "dark"
    assert "cart" not in properties


def test_registered_properties_ride_on_every_event_of_this_and_later_pages():
    page = Page()
    page.call("register", {"plan": "pro"})
    page.call("register_once", {"plan": "free", "source": "ad"})
    page = page.next_page()
    page.call("capture", "one")
    page.call("unregister", "plan")
    page.call("capture", "two")
    one, two = page.send()
    assert (one["properties"]["plan"], one["properties"]["source"]) == ("pro", "ad")
    assert "plan" not in two["properties"]


def test_junk_ids_are_refused_loudly_and_change_nothing():
    page = Page()
    for junk in (None, "", "null", "undefined", "[object Object]", True, {}, 0, SEED):
        page.call("identify", junk)
    assert page.send() == []
    assert page.identity.distinct_id == SEED
    assert len(page.said) == 9
    assert page.journal == {}


def test_a_number_as_an_id_becomes_text_and_the_author_is_told_once():
    page = Page()
    for number in (42, 42, "42"):
        page.call("identify", number)
    assert [event["distinct_id"] for event in page.send()] == ["42"]
    (line,) = page.said
    assert "42 is a number" in line
    assert "Pass text" in line
    page.answer()
    page.call("alias", 7)
    assert [event["properties"]["alias"] for event in page.send()] == ["7"]
    assert len(page.said) == 2
    assert "7 is a number" in page.said[1]


def test_a_number_that_javascript_has_rounded_names_nobody():
    page = Page()
    for number in (9007199254740992, -9007199254740992, 123456789012345680000, 1e21):
        page.call("identify", number)
        page.call("alias", number)
    assert page.send() == []
    assert page.identity.distinct_id == SEED
    assert len(page.said) == 8
    page.call("identify", 9007199254740991)
    assert [event["distinct_id"] for event in page.send()] == ["9007199254740991"]


def test_a_capture_without_a_name_is_explained_and_dropped():
    page = Page()
    for nothing in (None, "", "  ", 5, {}):
        page.call("capture", nothing)
    assert page.send() == []
    assert len(page.said) == 5
    assert page.journal == {}


def test_damaged_entries_and_unknown_calls_cost_only_themselves():
    page = Page()
    for text in (
        "",
        "{",
        "[]",
        "{}",
        '{"call": "capture"}',
        '{"call": "nonsense", "args": [], "at": 1}',
        '{"events": 5}',
    ):
        page.tracker.take(ids.uuid7(START, bytes(10)), text)
    page.carry_out()
    assert len(page.said) == 7
    page.call("capture", "still_here")
    assert [event["event"] for event in page.send()] == ["still_here"]


def test_the_state_reaches_the_next_page():
    page = Page()
    page.call("identify", "ada")
    page.send()
    page.answer()
    later = page.next_page()
    later.call("capture", "later")
    (event,) = later.send()
    assert event["distinct_id"] == "ada"
    assert event["properties"]["$device_id"] == SEED


def test_either_store_alone_is_enough():
    page = Page()
    page.call("register", {"plan": "pro"})
    page.call("identify", "ada")
    cookie, local = page.stored
    for stored in ([cookie, ""], ["", local]):
        assert Page(stored).identity.distinct_id == "ada"


def test_of_two_stores_the_newer_wins_and_in_a_tie_the_cookie():
    page = Page()
    page.call("capture", "x")
    old = page.stored
    page.call("identify", "ada")
    new = page.stored
    assert Page([old[0], new[1]]).identity.distinct_id == "ada"
    assert Page([new[0], old[1]]).identity.distinct_id == "ada"
    bob = new[0].replace("ada", "bob")
    assert Page([bob, new[1]]).identity.distinct_id == "bob"


def test_damaged_stores_start_afresh_with_what_is_whole():
    page = Page()
    page.call("identify", "ada")
    cookie, local = page.stored
    assert Page(["garbage", local]).identity.distinct_id == "ada"
    assert Page([cookie, "garbage"]).identity.distinct_id == "ada"
    assert Page(["garbage", "garbage"]).identity.distinct_id == SEED


def test_another_tabs_identity_is_followed_before_the_next_event():
    here, there = Page(), Page()
    here.call("capture", "x")
    there.tracker.follow(here.stored)
    there.call("identify", "ada")
    here.tracker.follow(there.stored)
    here.call("capture", "y")
    assert here.send()[1]["distinct_id"] == "ada"


def test_what_a_page_leaves_unsent_is_sent_by_the_next_as_it_was_captured():
    page = Page()
    page.call("capture", "anonymous")
    page.call("identify", "ada")
    page.call("capture", "identified")
    made = page.send()
    page = page.next_page()
    page.call("reset")
    page.call("capture", "later")
    again = page.send()
    assert [event["uuid"] for event in again[:3]] == [event["uuid"] for event in made]
    assert [event["distinct_id"] for event in again[:3]] == [SEED, "ada", "ada"]
    assert again[3]["distinct_id"] not in (SEED, "ada")


def test_a_page_left_before_python_ran_is_run_by_the_next_one():
    before, after = Page(), Page()
    before.call("capture", "anonymous")
    raw = {}
    for number, (name, args) in enumerate([("capture", ["one"]), ("identify", ["ada"]), ("capture", ["two"])]):
        entry = {"call": name, "args": args, "at": START + number, "url": "", "window": "w"}
        raw[ids.uuid7(START + number, bytes(10))] = json.dumps(entry)
    after.journal = raw
    after = after.next_page()
    events = after.send()
    assert [(event["event"], event["distinct_id"]) for event in events] == [
        ("one", SEED),
        ("$identify", "ada"),
        ("two", "ada"),
    ]


def test_a_crash_between_journal_and_store_keeps_the_identity():
    page = Page()
    page.call("capture", "x")
    before = page.stored
    page.call("identify", "ada")
    page.stored = before
    page = page.next_page()
    page.call("capture", "y")
    assert [event["distinct_id"] for event in page.send()] == [SEED, "ada", "ada"]
    assert wire.unpack_cookie(page.stored[0])["distinct_id"] == "ada"


def test_running_the_same_calls_twice_makes_the_same_events():
    first, second = Page(), Page()
    for page in (first, second):
        page.call("capture", "a", {"n": 1})
        page.call("identify", "ada")
        page.call("identify", "bob")
        page.call("reset")
        page.call("capture", "b")
    assert first.send() == second.send()
    assert first.stored[0] == second.stored[0]


def test_nothing_leaves_the_journal_before_the_server_has_it():
    page = Page()
    call = page.call("capture", "x")
    page.send()
    for status in (0, 500, 503, 429, 408):
        page.answer(status)
        assert list(page.journal) == [call]
        page.at = page.tracker.wake_at()
        assert page.send()
    page.answer(200)
    assert page.journal == {}


def test_one_request_at_a_time_and_order_is_kept():
    page = Page()
    page.call("capture", "one")
    assert [event["event"] for event in page.send()] == ["one"]
    page.call("identify", "ada")
    page.call("capture", "two")
    assert page.send() == []
    page.answer(200)
    assert [event["event"] for event in page.send()] == ["$identify", "two"]


def test_the_first_event_leaves_at_once_and_what_follows_lingers():
    page = Page()
    page.call("capture", "one")
    assert page.tracker.wake_at() == 0
    page.send()
    page.answer(200)
    page.call("capture", "two", after=0)
    assert page.tracker.request(page.at) is None
    assert page.tracker.wake_at() == page.at + tracker.LINGER


def test_the_servers_wish_to_wait_is_kept():
    page = Page()
    page.call("capture", "one")
    page.send()
    page.answer(503, retry_after=60000)
    assert page.tracker.wake_at() == page.at + 60000


def test_a_wrong_key_stops_with_one_message_that_names_the_attribute():
    page = Page()
    page.call("capture", "one")
    page.send()
    page.answer(401, detail="no project has this key")
    page.call("capture", "two")
    assert page.send() == []
    assert page.tracker.wake_at() is None
    assert page.stopped
    assert len(page.said) == 1
    assert "data-key" in page.said[0]
    assert "no project has this key" in page.said[0]


def test_a_wrong_address_names_the_other_attribute():
    assert "data-api" in tracker.advice(404, "")


def test_a_body_that_is_too_large_is_halved_until_it_fits_and_grows_again():
    page = Page()
    for number in range(4):
        page.call("capture", f"e{number}")
    sizes = []
    for status in (413, 413, 200, 413, 413, 200):
        sizes.append(len(page.send()))
        page.answer(status)
    assert sizes == [4, 2, 1, 2, 1, 2]
    assert len(page.said) == 1
    assert page.journal == {}


def test_unusable_events_are_dropped_with_the_servers_reason():
    page = Page()
    page.call("capture", "one")
    page.send()
    page.answer(400, detail="too odd")
    assert page.journal == {}
    assert "too odd" in page.said[0]


def test_a_blocked_page_goes_quiet_and_returns_when_it_is_online():
    page = Page()
    page.call("capture", "one")
    tries = 0
    while page.tracker.wake_at() is not None:
        page.at = max(page.at, page.tracker.wake_at())
        assert page.send()
        page.answer(0)
        tries += 1
    assert 2 <= tries <= 5
    assert page.stopped
    assert page.said == []
    page.tracker.retry_now()
    assert len(page.send()) == 1


def test_a_session_is_shared_by_calls_close_in_time_and_not_beyond():
    page = Page()
    page.call("capture", "one")
    page.call("capture", "two", after=session.IDLE)
    page.call("capture", "three", after=session.IDLE + 1)
    one, two, three = [event["properties"]["$session_id"] for event in page.send()]
    assert one == two != three


def test_a_page_view_is_counted_on_load_and_when_the_path_changes():
    page = Page()
    page.call("pageview", "load")
    page.call("pageview", "pushState", "https://a.example/x?tab=1")
    page.call("pageview", "pushState", "https://a.example/other")
    events = page.send()
    assert [event["event"] for event in events] == ["$pageview", "$pageview"]
    assert events[1]["properties"]["navigation_type"] == "pushState"


def test_person_properties_are_sent_once_and_again_after_a_reset():
    page = Page()
    page.call("set_person_properties", {"plan": "pro"})
    page.call("set_person_properties", {"plan": "pro"})
    page.call("set_person_properties")
    page.call("reset")
    page.call("set_person_properties", {"plan": "pro"})
    events = page.send()
    assert [event["event"] for event in events] == ["$set", "$set"]
    assert events[0]["$set"] == {"plan": "pro"}


def test_a_property_that_cannot_travel_is_named_and_the_event_goes():
    page = Page()
    page.call("capture", "x", {"good": 1})
    page.call("capture", "y", "not an object")
    assert len(page.send()) == 2
    assert "object" in page.said[0]


def test_an_alias_names_another_id_of_the_same_visitor():
    page = Page()
    page.call("identify", "ada")
    page.call("alias", "ada@example.com")
    page.call("alias", "ada")
    page.call("alias", "null")
    _, event = page.send()
    assert (event["event"], event["distinct_id"]) == ("$create_alias", "ada")
    assert event["properties"]["alias"] == "ada@example.com"
    assert len(page.said) == 2


def test_a_group_is_told_once_and_rides_on_every_event_until_reset():
    page = Page()
    page.call("group", "company", "acme", {"size": 5})
    page.call("group", "company", "acme")
    page.call("capture", "one")
    page.call("reset")
    page.call("capture", "two")
    page.call("group", "", "acme")
    page.call("group", "company")
    told, one, two = page.send()
    assert told["event"] == "$groupidentify"
    assert told["properties"]["$group_set"] == {"size": 5}
    assert one["properties"]["$groups"] == {"company": "acme"}
    assert one["properties"]["$process_person_profile"] is True
    assert "$groups" not in two["properties"]
    assert len(page.said) == 2


def test_what_is_registered_for_a_session_ends_with_it():
    page = Page()
    page.call("register_for_session", {"entered_by": "ad"})
    page.call("capture", "one")
    page.call("capture", "two", after=session.IDLE + 1)
    one, two = page.send()
    assert one["properties"]["entered_by"] == "ad"
    assert "entered_by" not in two["properties"]


def test_person_properties_can_be_unset_and_then_set_again():
    page = Page()
    page.call("set_person_properties", {"plan": "pro"})
    page.call("unset_person_properties", ["plan", "", 5])
    page.call("unset_person_properties", [])
    page.call("set_person_properties", {"plan": "pro"})
    events = page.send()
    assert [event["event"] for event in events] == ["$set"] * 3
    assert events[1]["properties"]["$unset"] == ["plan"]


def test_two_visitors_share_nothing_through_their_stored_texts():
    one, other = Page(), Page()
    one.call("register", {"plan": "pro"})
    other.call("capture", "x")
    assert "plan" not in other.send()[0]["properties"]
    restored = [Page([page.stored[0], ""]) for page in (one, one)]
    restored[0].call("register", {"n": 1})
    restored[1].call("capture", "y")
    assert "n" not in restored[1].send()[0]["properties"]


def test_a_page_left_says_how_long_it_was_shown():
    page = Page()
    view = page.call("pageview")
    page.call("capture", "read")
    page.call("pageview", "pushState", "https://a.example/before", after=4000)
    page.call("pageleave", after=2500)
    page.call("pageleave")
    first, read, second, left = [event["properties"] for event in page.send()]
    assert "$prev_pageview_id" not in first
    assert first["$pageview_id"] == read["$pageview_id"] == second["$prev_pageview_id"] == view
    assert second["$prev_pageview_duration"] == 5.0
    assert second["$prev_pageview_pathname"] == "/x"
    assert left["$prev_pageview_duration"] == 2.5
    assert left["$pageview_id"] == left["$prev_pageview_id"] == second["$pageview_id"]


def test_events_of_a_tab_are_numbered_without_gaps_over_its_pages():
    page = Page()
    page.call("capture", "one")
    page.call("register", {"a": 1})
    page.call("capture", "two")
    page = page.next_page()
    page.call("capture", "three")
    assert [event["properties"]["$sequence"] for event in page.send()] == [1, 2, 3]


def test_a_session_remembers_the_page_it_began_on():
    page = Page()
    page.call("capture", "one")
    page.call("capture", "two", after=session.IDLE + 1)
    one, two = [event["properties"] for event in page.send()]
    assert one["$session_entry_url"] == two["$session_entry_url"] == "https://a.example/x"
    assert one["$session_entry_referrer"] == "$direct"


def test_the_tabs_used_last_are_remembered_the_oldest_among_them():
    visitor = tracker.state.fresh(SEED)
    for number in range(1, 40):
        for name in (f"{number:02}", "00"):
            visitor.tab(name)[1] += 1
    assert sorted([tab[0] for tab in visitor.tabs]) == ["00"] + [f"{number:02}" for number in range(9, 40)]
    assert visitor.tab("00")[1] == 39


def test_tabs_of_another_shape_are_forgotten():
    page = Page()
    page.call("register", {})
    page.stored[1] = page.stored[0] + '\n{"tabs": [5, ["w"], ["w", 7, null]]}'
    page = page.next_page()
    page.call("capture", "x")
    assert page.send()[0]["properties"]["$sequence"] == 8


def test_a_capture_in_a_loop_is_stopped_told_once_and_recovers():
    page = Page()
    for _ in range(130):
        page.call("capture", "loop", after=0)
    assert len(page.said) == 1
    page = page.next_page()
    page.call("capture", "still_too_much", after=0)
    page.call("identify", "ada", after=0)
    page.call("capture", "later", after=1000)
    names = []
    while events := page.send():
        names += [event["event"] for event in events]
        page.answer()
    assert names.count("loop") == 100
    assert names.count("$$client_ingestion_warning") == 1
    assert names[101:] == ["$identify", "later"]


def test_a_bot_is_not_counted_unless_the_site_wants_it():
    bot = {"agent": "Googlebot/2.1"}
    page = Page(facts=bot)
    page.call("pageview")
    page.call("identify", "ada")
    assert page.send() == []
    assert page.journal == {}
    page = Page(facts=bot, options={"bots": "count"})
    page.call("pageview")
    assert len(page.send()) == 1


def told(page):
    """Give the lines that an author reads, by their first words, and forget them."""
    lines, page.said = page.said, []
    return [line.split(" {")[0] for line in lines]


def test_an_author_who_asks_is_told_of_each_step():
    page = Page(options={"debug": ""})
    page.call("capture", "clicked", {"plan": "pro"})
    assert told(page) == [f"visitor {SEED} anonymous on {SEED}", 'call capture ["clicked",', "event clicked"]
    page.call("identify", "ada")
    page.call("register", {"plan": "pro"})
    assert told(page) == [
        'call identify ["ada"]',
        f"visitor ada identified on {SEED}",
        "event $identify",
        'call register [{"plan": "pro"}]',
        "no event",
    ]
    assert len(page.send()) == 2
    page.answer(429)
    assert told(page) == ["sent 2 events", "answer 429 wait"]
    page.call("identify", "null")
    assert told(page)[-1] == "no event"
    page.tracker.follow([page.stored[0].replace("ada", "bob"), ""])
    page.carry_out()
    assert told(page) == [f"visitor bob identified on {SEED}"]


def test_an_event_that_an_author_is_told_of_is_whole_and_as_the_page_has_edited_it():
    page = Page(facts={"hooked": 1}, options={"debug": "true"})
    entry = {"call": "capture", "args": ["clicked"], "at": START, "url": "https://a.example/x", "window": "w"}
    call = ids.uuid7(START, bytes(10))
    page.tracker.take(call, json.dumps(entry))
    (edit,) = [effect for effect in page.tracker.effects() if effect[0] == "edit"]
    journalled = json.loads(edit[2])
    journalled["events"][0]["properties"]["title"] = "edited"
    page.tracker.take(call, json.dumps(journalled))
    page.carry_out()
    (line,) = [line for line in page.said if line.startswith("event")]
    assert json.loads(line.split(" ", 2)[2]) == journalled["events"][0]
    page.said = []
    page.tracker.take("0" + call[1:], json.dumps(dict(journalled, events=[])))
    page.carry_out()
    assert page.said == ["no event: before_send() dropped it"]


def test_an_author_is_told_why_a_bot_makes_no_event_and_nobody_is_told_unasked():
    bot = {"agent": "Googlebot/2.1"}
    page = Page(facts=bot, options={"debug": "true"})
    page.call("capture", "clicked")
    assert 'data-bots="count"' in page.said[-2]
    assert page.said[-1] == "no event"
    for options in ({}, {"debug": "false"}):
        page = Page(options=options)
        page.call("capture", "clicked")
        page.call("identify", "ada")
        page.send()
        page.answer()
        assert page.said == []


def test_where_nobody_may_be_known_an_author_is_told_of_no_visitor():
    page = Page(facts={"consent": "cookieless"}, options={"debug": "true"})
    page.call("capture", "clicked")
    assert told(page) == ['call capture ["clicked"]', "event clicked"]


def test_denied_properties_stay_on_the_page_and_ids_cannot_be_denied():
    page = Page(options={"deny": "$current_url, secret,$session_id", "mask": "true"})
    page.call("capture", "x", {"secret": 1, "gclid": "abc"})
    properties = page.send()[0]["properties"]
    assert "secret" not in properties
    assert "$current_url" not in properties
    assert properties["gclid"] == "<masked>"
    assert properties["$session_id"]


def test_a_page_leave_that_is_found_late_does_not_close_the_page_after_it():
    page = Page()
    page.call("pageview")
    page.call("pageview", "load", after=5000)
    late = {"call": "pageleave", "args": [], "at": START + 2000, "url": "https://a.example/x", "window": "w"}
    page.tracker.take(ids.uuid7(START + 2000, bytes(10)), json.dumps(late))
    page.call("capture", "reading")
    _, second, leave, reading = page.send()
    assert "$prev_pageview_duration" not in leave["properties"]
    assert reading["properties"]["$pageview_id"] == second["uuid"]


def test_a_log_out_with_odd_options_is_a_whole_log_out():
    for odd in (5, True, "theme", [["nested"], None, "theme"], {"theme": 1}):
        page = Page()
        page.call("identify", "ada")
        page.call("register", {"theme": "dark", "cart": 3})
        page.call("reset", {"keep": odd})
        page.call("capture", "next")
        assert page.said == []
        assert page.identity.distinct_id != "ada"
        assert "cart" not in page.send()[1]["properties"]


def test_a_truth_is_no_key_of_a_group_on_any_runtime():
    page = Page()
    page.call("group", "company", True)
    page.call("capture", "x")
    assert len(page.said) == 1
    assert "$groups" not in page.send()[0]["properties"]


def test_groups_of_one_event_add_to_those_that_stand():
    page = Page()
    page.call("group", "company", "acme")
    page.call("capture", "one", {"$groups": {"team": "blue"}})
    page.call("capture", "two")
    _, one, two = page.send()
    assert one["properties"]["$groups"] == {"company": "acme", "team": "blue"}
    assert two["properties"]["$groups"] == {"company": "acme"}


def test_a_crash_between_an_event_and_its_storing_leaves_no_number_twice():
    page = Page()
    page.call("capture", "one")
    before = page.stored
    page.call("capture", "two")
    page.stored = before
    page = page.next_page()
    page.call("capture", "three")
    assert [event["properties"]["$sequence"] for event in page.send()] == [1, 2, 3]


def test_arguments_beyond_those_we_know_are_ignored():
    page = Page()
    page.call("register", {"plan": "pro"}, 30)
    page.call("reset", {"keep": ["plan"]}, True)
    page.call("capture", "x", {}, {}, "more")
    assert page.send()[0]["properties"]["plan"] == "pro"
    assert page.said == []


def test_what_is_denied_or_masked_is_so_in_person_properties_and_first_touch_too():
    page = Page(options={"deny": "email", "mask": "true"})
    page.call("identify", "ada", {"email": "ada@example.com", "plan": "pro"}, {"came_by": "https://b.example/?gclid=1"})
    (event,) = page.send()
    assert event["$set"] == {"plan": "pro"}
    assert event["$set_once"]["came_by"] == "https://b.example/?gclid=<masked>"


def test_posthogs_names_for_the_same_things_work():
    page = Page()
    page.call("setPersonProperties", {"plan": "pro"})
    page.call("unsetPersonProperties", ["plan"])
    assert [event["event"] for event in page.send()] == ["$set", "$set"]
    assert page.said == []


def test_only_a_name_can_be_unregistered():
    page = Page()
    page.call("register", {"plan": "pro"})
    for nothing in (None, 2147483647, ["plan"], {}):
        page.call("unregister", nothing)
    page.call("unregister", "unknown")
    page.call("capture", "x")
    assert page.send()[0]["properties"]["plan"] == "pro"
    assert len(page.said) == 4


def test_half_an_emoji_costs_no_sign_up_and_is_the_same_in_every_text():
    """As a page has it that cuts a text: JSON.stringify escapes it."""
    page = Page()
    for name, args in (
        ("identify", ["ada\ud83d", {"bio\ud83d": "Hi \ud83d"}]),
        ("register", [{"plan\ud83d": 1, "\ud83d\ude00": 1}]),
        ("set_person_properties", [{"city": "\ude00"}]),
        ("unregister", ["plan\ud83d"]),
        ("capture", ["x\ud83d"]),
    ):
        page.at += 1000
        entry = {"call": name, "args": args, "at": page.at, "url": "https://a.example/x", "window": "w"}
        call = ids.uuid7(page.at, bytes(10))
        page.journal[call] = escaped(json.dumps(entry))
        page.tracker.take(call, page.journal[call])
        page.carry_out()
    claim, city, seen = page.send()
    assert [claim["event"], claim["distinct_id"], claim["$set"]] == [
        "$identify", "ada\ufffd", {"bio\ufffd": "Hi \ufffd"},
    ]  # fmt: skip
    assert [city["$set"], seen["event"], page.said] == [{"city": "\ufffd"}, "x\ufffd", []]
    assert "plan\ufffd" not in seen["properties"]
    assert seen["properties"]["\U0001f600"] == 1


def escaped(text):
    """Give JSON with its surrogates escaped, which MicroPython's is not."""
    return "".join(["\\u%04x" % ord(each) if 0xD800 <= ord(each) < 0xE000 else each for each in text])


def test_properties_that_another_python_has_kept_have_whole_emojis():
    """CPython and Pyodide escape them, as two halves each."""
    page = Page()
    page.call("register", {"plan": "\U0001f600"})
    cookie, local = page.stored
    page.stored = [cookie, escaped(local.replace("\U0001f600", "\ud83d\ude00"))]
    page = page.next_page()
    page.call("capture", "x")
    assert page.send()[-1]["properties"]["plan"] == "\U0001f600"


def test_what_fails_while_a_user_is_named_leaves_the_visitor_who_they_were():
    page = Page()
    real, values.fingerprint = values.fingerprint, None
    page.call("identify", "ada", {"plan": "pro"})
    values.fingerprint = real
    assert [page.identity.distinct_id, len(page.said), page.send()] == [SEED, 1, []]
    page.call("identify", "ada", {"plan": "pro"})
    (claim,) = page.send()
    assert claim["properties"]["$anon_distinct_id"] == SEED
