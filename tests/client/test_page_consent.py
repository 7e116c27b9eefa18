"""Consent and the page's own functions in the page's own Python (hosts/page.py, hosts/hooks.py)."""

from beknown import wire

from .test_page import KEY, Visit, library, names_of

NAME = "bk_" + KEY


def test_pending_keeps_nothing_and_a_yes_runs_what_waited_in_order():
    visit = Visit()
    python = library(visit, consent="pending")
    python.capture("early")
    python.identify("ada")
    python.capture("late")
    visit.settle()
    assert (visit.sent, visit.cookies, visit.disk) == ([], {}, {})
    assert (python.consent(), python.get_distinct_id()) == ("pending", "")
    python.opt_in()
    visit.settle()
    assert names_of(visit) == ["$pageview", "early", "$identify", "late"]
    visitor = visit.sent[1]["distinct_id"]
    assert visit.sent[2]["properties"]["$anon_distinct_id"] == visitor != "ada"  # a claim, not a name alone
    assert (python.consent(), python.get_distinct_id()) == ("granted", "ada")
    assert wire.unpack_cookie(visit.cookies[NAME])["asked"] is True


def test_a_no_forgets_the_visitor_and_drops_what_happens_from_then_on():
    visit = Visit(status=0)
    python = library(visit)
    python.capture("before")
    python.opt_out()
    python.capture("after")
    python.identify("ada")
    visit.heard["pagehide"](None)
    visit.settle()
    assert (visit.sent, visit.beacons) == ([], [])
    assert visit.cookies[NAME] == wire.DENIED
    assert visit.journal() == []
    again = Visit(visit.disk, visit.cookies)
    python = library(again)
    python.capture("never")
    python.identify("bob")
    again.settle()
    assert again.sent == []
    python.opt_in()
    again.settle()
    assert names_of(again) == ["$identify", "$pageview"]
    assert again.sent[0]["distinct_id"] == "bob"


def test_a_no_forgets_the_servers_copy_too_also_what_was_on_its_way_to_be_one():
    visit = Visit(cookies={NAME + ".kept": "1.5.x"})
    python = library(visit)
    python.capture("before")

    class Late(dict):
        def __init__(self, answer):
            dict.__init__(self, answer)
            visit.cookies[NAME + ".kept"] = "1.9.y"

    post = visit.post

    async def posted(url, body):
        python.opt_out()
        return Late(await post(url, body))

    visit.post = posted
    visit.settle()
    assert python.consent() == "denied"
    assert visit.cookies[NAME + ".kept"] == ""


def test_another_tabs_no_is_followed_at_the_next_call():
    visit = Visit()
    python = library(visit, pageviews="off")
    visit.cookies[NAME] = wire.DENIED
    python.capture("never")
    visit.settle()
    assert (visit.sent, python.consent()) == ([], "denied")


def test_another_tabs_no_is_followed_while_something_waits_to_be_sent():
    visit = Visit(status=503)
    python = library(visit, pageviews="off")
    python.capture("never")
    visit.heard["pagehide"](None)
    assert len(visit.beacons) == 1

    async def sleep(seconds):
        await Visit.sleep(visit, seconds)
        visit.cookies[NAME] = wire.DENIED
        visit.status = 200

    visit.sleep = sleep
    visit.settle()
    assert (visit.sent, visit.journal(), python.consent()) == ([], [], "denied")
    left = Visit(status=503)
    library(left, pageviews="off").capture("never")
    left.cookies[NAME] = wire.DENIED
    left.heard["pagehide"](None)
    assert left.beacons == []


def test_a_yes_of_a_visitor_who_was_never_asked_outlasts_the_next_calls():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.capture("before")
    visitor = python.get_distinct_id()
    python.opt_in()
    python.capture("after")
    visit.settle()
    assert (names_of(visit), python.get_distinct_id()) == (["before", "after"], visitor)
    assert wire.unpack_cookie(visit.cookies[NAME])["asked"] is True
    assert wire.unpack_cookie(visit.disk[NAME].partition("\n")[0])["asked"] is True


def test_a_yes_is_kept_of_a_visitor_whom_no_cookie_tells_of():
    visit = Visit()
    python = library(visit, pageviews="off", persistence="localStorage")
    python.register({"plan": "pro"})
    visit.settle()
    visitor = python.get_distinct_id()
    later = Visit(visit.disk, visit.cookies)
    python = library(later, pageviews="off", persistence="localStorage")
    python.opt_in()
    python.capture("after")
    later.settle()
    (after,) = later.sent
    assert (after["distinct_id"], after["properties"]["plan"]) == (visitor, "pro")
    assert wire.unpack_cookie(later.disk[NAME].partition("\n")[0])["asked"] is True
    assert (
        library(Visit(later.disk, later.cookies), consent="pending", persistence="localStorage").consent() == "granted"
    )


def test_a_yes_after_cookieless_counting_is_in_the_cookie_at_once():
    visit = Visit()
    python = library(visit, consent="cookieless", pageviews="off")
    python.opt_in()
    assert wire.unpack_cookie(visit.cookies[NAME])["distinct_id"] == python.get_distinct_id()
    assert wire.unpack_cookie(visit.cookies[NAME])["asked"] is True


def test_a_no_that_is_taken_back_counts_the_page_only_where_it_was_not_counted():
    visit = Visit()
    python = library(visit)
    visit.settle()
    python.opt_out()
    python.opt_in()
    python.opt_in()
    visit.settle()
    assert names_of(visit) == ["$pageview"]


class Prerendered(Visit):
    """A page that nobody sees before ``show``."""

    def __init__(self):
        Visit.__init__(self)
        self.later = []

    def is_prerendered(self):
        return self.later is not None

    def once_shown(self, function):
        self.later.append(function)

    once_seen = once_shown

    def show(self):
        later, self.later = self.later, None
        for function in later:
            function()
        self.settle()


def test_what_is_chosen_while_a_page_is_only_prerendered_counts_once_it_is_shown():
    for choices, consent in (([], "granted"), (["opt_in", "opt_out"], "denied"), (["opt_out", "opt_in"], "granted")):
        visit = Prerendered()
        python = library(visit)
        python.capture("early")
        for choice in choices:
            getattr(python, choice)()
        visit.settle()
        assert (visit.sent, visit.cookies, visit.disk, python.consent()) == ([], {}, {}, "pending")
        visit.show()
        assert python.consent() == consent
        assert names_of(visit) == ([] if consent == "denied" else ["early", "$pageview"])


def test_what_waited_and_what_is_called_from_then_on_are_of_one_window():
    """Also in a tab whose last page left its id."""
    mark, left = "tab " + NAME + "~tab", "01a20a91-ae05-7e94-aea9-36f6d0ff238b"
    for consent in ("granted", "pending"):
        visit = Prerendered() if consent == "granted" else Visit()
        visit.disk[mark] = left + "~"
        python = library(visit, consent=consent)
        python.capture("early")
        if consent == "granted":
            visit.show()
        python.opt_in()
        python.capture("late")
        visit.settle()
        assert sorted(names_of(visit)) == ["$pageview", "early", "late"]
        assert len({event["properties"]["$window_id"] for event in visit.sent}) == 1
        assert len(visit.disk[mark]) == 36
        assert visit.disk[mark] != left
        assert sorted(event["properties"]["$sequence"] for event in visit.sent) == [1, 2, 3]


def test_a_signal_of_the_browser_is_counted_without_an_id():
    class Signalling(Visit):
        def facts(self):
            return dict(Visit.facts(self), gpc=True)

    visit = Signalling()
    python = library(visit, pageviews="off")
    python.capture("x")
    visit.settle()
    assert python.consent() == "cookieless"
    assert visit.cookies.get(NAME, "") == ""
    (event,) = visit.sent
    assert event["distinct_id"] == wire.COOKIELESS
    assert event["properties"]["$gpc"] is True
    assert "$session_id" not in event["properties"]
    heedless = Signalling()
    assert library(heedless, respect_gpc=False).consent() == "granted"


def test_before_send_edits_drops_and_is_not_trusted_to_work():
    visit = Visit()
    python = library(visit, pageviews="off")

    def edit(event):
        if event["event"] == "secret":
            return None
        if event["event"] == "broken":
            raise ValueError("oops")
        event["uuid"] = "not yours"
        event["properties"]["title"] = "edited"
        return event

    told = []
    python.before_send(edit)
    for what in ("capture", "identify", "reset", "session", "error"):
        python.on(what, lambda detail, what=what: told.append((what, detail)))
    python.on("capture", lambda event: 1 / 0)
    for name in ("secret", "broken", "fine"):
        python.capture(name)
    python.identify("ada")
    python.reset()
    visit.settle()
    assert names_of(visit) == ["fine", "$identify"]
    assert {event["properties"]["title"] for event in visit.sent} == {"edited"}
    assert all(len(event["uuid"]) == 36 for event in visit.sent)
    assert visit.journal() == []
    assert [detail["event"] for what, detail in told if what == "capture"] == ["fine", "$identify"]
    assert [detail for what, detail in told if what == "identify"] == ["ada"]
    assert [detail for what, detail in told if what == "reset"] == [python.get_distinct_id()]
    assert any("broken" in detail for what, detail in told if what == "error")
    python.on("click", print)
    python.before_send("no function")
    assert "tells of" in visit.said[-2]
    assert "needs a function" in visit.said[-1]


def test_before_send_cannot_make_an_event_somebody_elses():
    visit = Visit()
    python = library(visit, pageviews="off")

    def edit(event):
        name, properties = event["event"], event["properties"]
        if name == "moved":
            event["distinct_id"] = "bob"
        elif name == "lent":
            properties["$device_id"] = "bob's"
        elif name == "joined":
            properties["$anon_distinct_id"] = "bob"
        elif name == "nameless":
            event["event"] = 5
        elif name == "bare":
            del event["properties"]
        elif name == "fine":
            del properties["$device_id"]
            event["event"] = "renamed"
        return event

    python.before_send(edit)
    for name in ("moved", "lent", "joined", "nameless", "bare", "fine"):
        python.capture(name)
    visit.settle()
    assert names_of(visit) == ["bare", "renamed"]
    assert [event["distinct_id"] for event in visit.sent] == [python.get_distinct_id()] * 2
    assert visit.sent[0]["properties"] == {}
    assert "$device_id" not in visit.sent[1]["properties"]
    assert len(visit.said) == 4
    for name, text in zip(("moved", "lent", "joined", "nameless"), visit.said):
        assert f'"{name}" was dropped' in text
        assert ("changed whose it is" in text) is (name != "nameless")


def test_what_before_send_left_is_what_the_next_page_delivers():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    python.before_send(lambda event: dict(event, properties=dict(event["properties"], plan="edited")))
    python.capture("x")
    visit.settle()
    visit.leave()
    after = Visit(visit.disk, visit.cookies, at=visit.at)
    library(after, pageviews="off")
    after.settle()
    assert [event["properties"]["plan"] for event in after.sent] == ["edited"]


def test_where_the_visitor_is_kept():
    for mode, in_cookie, in_disk in (
        ("cookie+localStorage", True, True),
        ("localStorage+cookie", True, True),
        ("localstorage", False, True),
    ):
        visit = Visit()
        library(visit, pageviews="off", persistence=mode).capture("x")
        visit.settle()
        assert (NAME in visit.cookies, NAME in visit.disk) == (in_cookie, in_disk)


def test_a_no_that_was_said_on_another_subdomain_leaves_no_tabs_journal_behind():
    visit = Visit(status=0)
    python = library(visit)
    python.identify("ada@example.com")
    closed = NAME + "~01a20a91-ae05-7e94-aea9-36f6d0ff238a"
    visit.disk[closed] = "of a tab that has just been closed"
    visit.cookies[NAME] = wire.DENIED
    python.capture("never")
    assert [closed in visit.disk, visit.journal(), visit.cookies[NAME]] == [False, [], wire.DENIED]
    assert "ada" not in str(visit.disk)


def test_a_no_that_was_said_to_posthog_js_is_a_no():
    refusal = "__ph_opt_in_out_" + KEY
    known = '{"distinct_id": "user-of-posthog", "$device_id": "01a20a91-ae05-7e94-aea9-36f6d0ff238a"}'
    for where in ("cookie", "localStorage"):
        for persistence in ("cookie+localStorage", "memory"):
            visit = Visit(disk={f"ph_{KEY}_posthog": known})
            (visit.cookies if where == "cookie" else visit.local_disk)[refusal] = "0"
            python = library(visit, persistence=persistence)
            python.capture("never")
            visit.settle()
            assert [python.consent(), python.get_distinct_id(), visit.sent] == ["denied", "", []]
            assert visit.cookies[NAME] == wire.DENIED
            python.opt_in()
            python.capture("after")
            visit.settle()
            assert [python.consent(), names_of(visit)] == ["granted", ["$pageview", "after"]]
            assert "user-of-posthog" not in [event["distinct_id"] for event in visit.sent]
            assert (visit.cookies[NAME] != "") is (persistence != "memory")


def test_a_yes_here_comes_before_a_no_and_a_yes_to_posthog_js_and_a_cookie_before_its_local_storage():
    refusal = "__ph_opt_in_out_" + KEY
    for cookie, local, consent in (
        ("1", "0", "granted"),
        ("0", "1", "denied"),
        ("", "0", "denied"),
        ("", "1", "granted"),
    ):
        visit = Visit(cookies={refusal: cookie})
        visit.local_disk[refusal] = local
        assert library(visit).consent() == consent
    visit = Visit()
    python = library(visit)
    visit.cookies[refusal] = "0"
    assert python.consent() == "denied"
    python.opt_in()
    assert python.consent() == "granted"
    assert library(Visit(visit.disk, visit.cookies)).consent() == "granted"


def test_consent_is_written_as_python_writes_it_and_a_slip_lets_nothing_out_and_is_said():
    for given, consent, said in (
        (True, "granted", 0),
        (False, "denied", 0),
        (None, "granted", 0),
        ("cookieless", "cookieless", 0),
        ("denied", "denied", 0),
        ("Granted", "pending", 1),
        ("grantd", "pending", 1),
        ("false", "pending", 1),
    ):
        visit = Visit()
        python = library(visit, consent=given)
        python.capture("x")
        visit.settle()
        assert [python.consent(), len(visit.said)] == [consent, said]
        assert bool(visit.sent) is (consent in ("granted", "cookieless"))
        assert all("granted, pending, cookieless, denied" in text and repr(given) in text for text in visit.said)
