"""Calls that the page's own functions make while they are told of a call, or edit it (hosts/page.py)."""

from beknown import wire
from beknown.hosts.library import Library
from beknown.hosts.turns import Turns

from .test_page import KEY, Visit, finish, library, names_of

NAME = "bk_" + KEY


def stored(visit):
    """Give whom the next page would find in the cookie; localStorage has to agree."""
    assert visit.disk[NAME].partition("\n")[0] == visit.cookies[NAME]
    return wire.unpack_cookie(visit.cookies[NAME])["distinct_id"]


def next_page(visit):
    """The page was killed: the next one finds what was stored by then."""
    after = Visit(dict(visit.disk), dict(visit.cookies), at=visit.at)
    return after, library(after, pageviews="off")


def once(name, function):
    """Give an on("capture") function that calls another at one event."""
    return lambda event: function() if event["event"] == name else None


def test_who_is_logged_out_by_a_function_of_the_pages_stays_logged_out():
    for pageviews in ("auto", "off"):
        for hook in ("on", "before_send"):
            visit = Visit()
            python = library(visit, pageviews=pageviews)
            python.identify("ada")
            log_out = once("logged_out", python.reset)
            if hook == "on":
                python.on("capture", log_out)
            else:
                python.before_send(lambda event, log_out=log_out: log_out(event) or event)
            python.capture("logged_out")
            assert python.get_distinct_id() == stored(visit) != "ada"
            visit.settle()
            after, later = next_page(visit)
            later.capture("next_visitor")
            after.settle()
            who = {event["event"]: event["distinct_id"] for event in visit.sent + after.sent}
            assert [who["logged_out"], who["next_visitor"]] == ["ada", stored(visit)]
            assert visit.said == []


def test_what_is_registered_by_a_function_of_the_pages_is_on_the_next_page_too():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.on("identify", lambda id: python.register({"plan": "pro"}))
    python.identify("ada")
    after, later = next_page(visit)
    later.capture("x")
    after.settle()
    (event,) = [event for event in after.sent if event["event"] == "x"]
    assert event["properties"]["plan"] == "pro"


def test_a_call_of_a_function_is_journalled_at_once_and_runs_after_the_one_that_it_was_told_of():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    order = []

    def told(event):
        order.append(event["event"])
        if event["event"] == "first":
            python.capture("second")
            order.append(len(visit.journal()))

    python.on("capture", told)
    python.capture("first")
    python.capture("third")
    assert order == ["first", 2, "second", "third"]


def test_functions_that_call_one_another_for_ever_do_not_hold_up_the_page():
    visit = Visit()
    python = library(visit, pageviews="off")
    told = []
    end = python.on("identify", lambda id: told.append(id) or python.reset())
    python.on("reset", lambda id: python.identify("ada"))
    python.identify("ada")
    assert 0 < len(told) < 100
    end()
    python.capture("x")
    visit.settle()
    assert "x" in names_of(visit)
    assert visit.journal() == []


def test_a_no_of_a_function_of_the_pages_holds_at_once_and_nothing_is_sent():
    for hook in ("on", "before_send"):
        visit = Visit()
        python = library(visit, pageviews="off")
        said = []

        def refuse(event, python=python, said=said):
            python.opt_in()
            python.opt_out()
            said.append(python.consent())
            python.capture("after")
            return event

        if hook == "on":
            python.on("capture", refuse)
        else:
            python.before_send(refuse)
        python.capture("no")
        visit.settle()
        assert (said, visit.sent, visit.journal(), visit.said) == (["denied"], [], [], [])
        assert (visit.cookies[NAME], visit.disk[NAME]) == (wire.DENIED, wire.DENIED)


def test_a_yes_of_a_function_of_the_pages_is_stored():
    for consent in ("granted", "cookieless"):
        visit = Visit()
        python = library(visit, pageviews="off", consent=consent)
        python.on("capture", once("yes", python.opt_in))
        python.capture("yes")
        visit.settle()
        assert [python.consent(), names_of(visit)] == ["granted", ["yes"]]
        assert wire.unpack_cookie(visit.cookies[NAME])["asked"] is True
        assert stored(visit) == python.get_distinct_id()


def test_what_a_function_calls_when_a_request_has_failed_runs():
    visit = Visit(status=401)
    python = library(visit, pageviews="off")
    python.on("error", lambda text: python.register({"plan": "pro"}))
    python.capture("refused")
    visit.settle()
    after, later = next_page(visit)
    later.capture("x")
    after.settle()
    (event,) = [event for event in after.sent if event["event"] == "x"]
    assert event["properties"]["plan"] == "pro"


def test_a_function_that_came_before_init_may_call_at_the_first_page_view():
    for has_page in (True, False):
        visit = Visit(has_page=has_page)
        python = Library(lambda visit=visit: visit)
        python.on("session", lambda id, python=python: python.register_for_session({"first": python.get_session_id()}))
        python.init(KEY, api="https://t.example.com")
        python.capture("first")
        python.capture("second")
        visit.settle()
        finish(python.flush())
        assert visit.sent[-1]["properties"]["first"] == python.get_session_id() != ""
        assert [text for text in visit.said if "init" in text] == []


def test_a_page_that_is_left_does_not_take_what_another_tab_has_stored_for_its_own():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.capture("a")
    visit.settle()
    other = Visit(visit.disk, visit.cookies, at=visit.at + 1000)
    library(other, pageviews="off").identify("ada")
    other.settle()
    visit.heard["pagehide"](None)
    visit.at = other.at
    python.capture("b")  # back from the browser's cache of pages
    assert python.get_distinct_id() == stored(visit) == "ada"


def test_a_farewell_says_that_events_are_edited_here_so_that_none_leaves_unedited():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    python.before_send(lambda event: event)
    python.on("capture", once("start", lambda: [python.capture("row") for _ in range(30)]))
    python.capture("start")
    visit.heard["pagehide"](None)
    assert visit.beacons[0][1]["facts"]["hooked"] is True


def test_what_javascript_throws_past_the_end_of_a_call_holds_up_only_that_call():
    visit = Visit()
    done = []
    turns = Turns(visit, done.append, lambda: None)
    turns.is_busy = True  # MicroPython has left a ``finally`` out
    turns.add(["second"])
    assert done == []
    visit.settle()
    assert done == ["second"]


def test_calls_that_call_one_another_for_ever_leave_the_page_ever_more_time():
    visit = Visit()
    naps = []

    async def sleep(seconds):
        naps.append(seconds)

    visit.sleep = sleep
    turns = Turns(visit, lambda id: turns.carry_out(lambda: turns.add([id]) or True), lambda: None)
    turns.add(["again"])
    for _ in range(4):
        finish(visit.work.pop()())
    assert naps == [0.01, 0.02, 0.04, 0.08]


def test_a_call_that_is_too_large_as_it_is_written_in_a_farewell_does_not_keep_the_others():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    python.capture("large", {"rows": [["ab"] * 10] * 750})  # 48 kB in the journal, and its quotes are escaped
    python.capture("small")
    visit.heard["pagehide"](None)
    (beacon,) = visit.beacons
    assert ["small" in text for _, text in beacon[1]["calls"]] == [True]
