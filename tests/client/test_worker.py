"""The core as the Web Worker hosts it: one function, JSON text in and out."""

import json
import time

from beknown import ids
from beknown.hosts.worker import Worker

SEEN = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
COOKIE = f"1.0.{SEEN}.a..0.0.{SEEN}"


def started(stored=None, **facts):
    worker = Worker()
    assert ask(worker, {"facts": {"timezone": "Europe/Zurich"}}) == []
    start = {
        "facts": dict(facts, agent="Firefox"),
        "options": {"key": "bk_test"},
        "stored": stored or [COOKIE, COOKIE + "\n{}"],
    }
    return worker, ask(worker, {"start": start, "calls": [], "stored": False})


def ask(worker, message):
    return json.loads(worker.handle(json.dumps(message)))


def calls(*calls, first=0):
    made = []
    for number, (name, args) in enumerate(calls, first):
        entry = {"call": name, "args": args, "at": time.time() * 1000, "url": "https://a.example/x", "window": "w"}
        made.append([ids.uuid7(entry["at"], bytes([number] * 10)), json.dumps(entry)])
    return made


def named(effects, name):
    return [effect for effect in effects if effect[0] == name]


def test_calls_become_events_that_are_journalled_stored_and_sent_in_this_order():
    worker, effects = started()
    assert named(effects, "send") == []
    effects = ask(worker, {"calls": calls(("pageview", []), ("identify", ["ada", {"plan": "pro"}])), "stored": False})
    assert [effect[0] for effect in effects] == ["journal", "journal", "store", "send"]
    body = json.loads(effects[3][1])
    assert body["api_key"] == "bk_test"
    assert [event["event"] for event in body["batch"]] == ["$pageview", "$identify"]
    assert body["batch"][0]["properties"]["$timezone"] == "Europe/Zurich"
    assert body["batch"][0]["properties"]["$raw_user_agent"] == "Firefox"
    assert effects[2][1].endswith(".ada")


def test_a_newer_copy_of_the_cookie_at_the_start_is_whom_the_pages_calls_are_filed_under():
    for copy, who in ((f"1.7.{SEEN}.i.{SEEN}.0.0.ada", "ada"), (f"1.z.{SEEN}.i.{SEEN}.0.0.ada", SEEN), (False, SEEN)):
        worker = Worker()
        fresh = [COOKIE, COOKIE + "\n{}"]
        start = {"facts": {}, "options": {"key": "bk_test"}, "stored": fresh}
        ask(worker, {"start": start, "stored": copy and [copy, ""]})
        effects = ask(worker, {"calls": calls(("capture", ["seen"])), "stored": False})
        (event,) = json.loads(named(effects, "send")[0][1])["batch"]
        assert event["distinct_id"] == who
        assert named(effects, "store")[0][1].endswith("." + who)


def test_events_that_the_page_only_hears_of_are_told_and_leave_at_once_and_others_are_edited_first():
    for hooked, names in (
        ("on", ["journal", "tell", "tell", "store", "send"]),
        (True, ["tell", "edit", "store"]),
        (2, ["tell", "edit", "store"]),  # an older stub's: how many functions
        (0, ["journal", "store", "send"]),
    ):
        worker, _ = started()
        effects = ask(worker, {"calls": calls(("capture", ["x"])), "hooked": hooked})
        assert sorted(effect[0] for effect in effects) == sorted(names)
        told = [effect[2] for effect in named(effects, "tell") if effect[1] == "capture"]
        assert told == (json.loads(named(effects, "send")[0][1])["batch"] if hooked == "on" else [])


def test_an_answer_of_200_lets_go_of_the_journal():
    worker, _ = started()
    sent = calls(("capture", ["a"]), ("capture", ["b"]))
    ask(worker, {"calls": sent, "stored": False})
    effects = ask(worker, {"answer": {"status": 200, "retry_after": 0, "detail": ""}})
    assert named(effects, "done") == [["done", [call for call, _ in sent]]]


def test_a_failure_asks_to_be_woken_and_then_sends_the_same_again():
    worker, _ = started()
    first = named(ask(worker, {"calls": calls(("capture", ["a"])), "stored": False}), "send")[0][1]
    effects = ask(worker, {"answer": {"status": 503, "retry_after": 0.0, "detail": ""}})
    (wake,) = named(effects, "wake")
    assert 1000 < wake[1] < 4000
    assert named(ask(worker, {"wake": 1}), "send") == []
    again = named(ask(worker, {"online": 1}), "send")[0][1]
    assert json.loads(again)["batch"] == json.loads(first)["batch"]


def test_an_outage_silences_no_page_that_the_server_has_answered_before_the_worker_came():
    for heard in (None, True):
        worker, _ = started(heard=heard)
        effects = ask(worker, {"calls": calls(("capture", ["a"])), "stored": False})
        for _ in range(4):
            assert named(effects, "stopped") == []
            effects = ask(worker, {"answer": {"status": 0, "retry_after": 0, "detail": ""}})
        assert (named(effects, "stopped") == []) is bool(heard)
        assert (named(effects, "wake") == []) is not heard


def raced(stored, what):
    """Give what is stored after a tab made the calls ``what``, and another was faster; both began from ``stored``."""
    (ours, _), (theirs, _) = started(stored), started(stored)
    sent = calls(*what, first=10)  # in the same ms, maybe, as those that made ``stored``
    texts = dict(sent)
    effects = ask(ours, {"calls": sent, "stored": False})
    for _, call, text in named(effects, "journal"):
        texts[call] = text
    done = [call for effect in named(effects, "done") for call in effect[1]]
    (store,) = named(ask(theirs, {"calls": calls(("capture", ["theirs"])), "stored": False}), "store")
    effects = ask(ours, {"stored": store[1:], "again": [[call, texts[call]] for call in done]})
    assert named(effects, "done") == [["done", done]]
    (store,) = named(effects, "store")
    return store[1:]


def test_what_a_faster_tab_has_overtaken_is_done_again_on_its_state():
    worker, _ = started()
    effects = ask(worker, {"calls": calls(("identify", ["ada"]), ("register", [{"email": "ada"}])), "stored": False})
    stored = named(effects, "store")[0][1:]
    cookie, local = raced(stored, [("register", [{"plan": "pro"}]), ("unregister", ["email"])])
    assert json.loads(local.partition("\n")[2])["registered"] == {"plan": "pro"}
    cookie, local = raced(stored, [("reset", []), ("register", [{"theme": "dark"}])])
    assert cookie.split(".")[3] == "a"
    assert cookie.split(".")[4] != stored[0].split(".")[4]
    assert json.loads(local.partition("\n")[2])["registered"] == {"theme": "dark"}


def test_what_the_server_has_is_not_done_again():
    worker, _ = started()
    effects = ask(worker, {"calls": calls(("capture", ["a"])), "stored": False})
    _, call, text = named(effects, "journal")[0]
    ask(worker, {"answer": {"status": 200, "retry_after": 0, "detail": ""}})
    assert ask(worker, {"stored": False, "again": [[call, text]]}) == [["done", [call]]]


def test_what_another_tab_stored_is_followed():
    worker, _ = started()
    cookie = f"1.7.{SEEN}.i..0.0.bob@example.com"
    effects = ask(worker, {"calls": calls(("capture", ["a"])), "stored": [cookie, cookie + "\n{}"]})
    assert json.loads(named(effects, "send")[0][1])["batch"][0]["distinct_id"] == "bob@example.com"


def test_damaged_stores_give_the_visitor_an_id_of_the_workers_own():
    worker, effects = started(["garbage", ""])
    assert named(effects, "say")
    (store,) = named(ask(worker, {"calls": calls(("capture", ["a"])), "stored": False}), "store")
    assert ids.is_uuid(store[1].split(".", 7)[7])
    assert ids.time_of(store[1].split(".", 7)[7]) > 1.7e12


def test_a_wrong_key_stops_with_words_for_the_pages_author():
    worker, _ = started()
    ask(worker, {"calls": calls(("capture", ["a"]), ("identify", ["null"]), ("nonsense", [])), "stored": False})
    effects = ask(worker, {"answer": {"status": 401, "retry_after": 0, "detail": "no project has this key"}})
    assert named(effects, "stopped") == [["stopped"]]
    assert "data-key" in named(effects, "say")[0][2]


def test_the_first_message_must_start_it():
    try:
        Worker().handle('{"wake": 1}')
    except RuntimeError as error:
        assert "start" in str(error)
    else:
        raise AssertionError("a worker without a start answered")
