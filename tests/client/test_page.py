"""The library for Python in a page, on a browser made of dicts: journal, storage, delivery, the names it offers."""

import functools
import inspect
import io
import json
import sys

import beknown
from beknown import wire
from beknown.errors import BadCall
from beknown.hosts.library import Library
from beknown.hosts.page import Page

KEY = "bk_test"
START = 1795473649157.0


class Visit:
    """What a browser keeps, and a page in it: the same methods as hosts/browser.py's."""

    def __init__(self, disk=None, cookies=None, status=200, has_page=True, at=START, has_bridge=False):
        self.has_bridge = has_bridge
        self.told_page = []
        self.disk = {} if disk is None else disk
        self.local_disk = {}  # localStorage itself, wherever the visitor is kept
        self.cookies = {} if cookies is None else cookies
        self.has_page = has_page
        self.status = status
        self.at = at
        self.work = []
        self.sent = []
        self.beacons = []
        self.said = []
        self.heard = {}
        self.lifecycle = self
        self.fail = None

    def cookie(self, name):
        return self.cookies.get(name, "")

    def set_cookie(self, name, text, domain):
        self.cookies[name] = text

    def get(self, name):
        return self.disk.get(name, "")

    def local(self, name):
        return self.local_disk.get(name, "")

    def put(self, name, text):
        self.disk[name] = text

    def remove(self, name):
        self.disk.pop(name, None)

    def names(self):
        return list(self.disk)

    def tab(self, name, fresh, is_used=False):
        left, mark, _ = self.disk.get("tab " + name, "").partition("~")
        self.disk["tab " + name] = left if mark and not is_used else fresh
        return self.disk["tab " + name]

    def pass_on(self, name, tab, mark="~"):
        if self.disk.get("tab " + name):
            self.disk["tab " + name] = tab + mark if tab else ""

    def leave(self):
        """The page is left, and its farewell does not arrive."""
        self.pass_on("bk_" + KEY + "~tab", self.disk["tab bk_" + KEY + "~tab"])

    def is_prerendered(self):
        return False

    def once_shown(self, function):
        pass

    def once_seen(self, function):
        function()

    def on_move(self, function):
        self.heard["popstate"] = lambda event: function("popstate")

    def now(self):
        self.at += 1
        return self.at

    def where(self):
        return {"url": "https://a.example/x", "referrer": "", "title": "X"}

    def facts(self):
        return {"agent": "Test", "screen": [800, 600]}

    async def post(self, url, body):
        events = json.loads(body)["batch"]
        if self.status == 200:
            self.sent += events
        return {"status": self.status, "retry_after": 0, "detail": ""}

    def beacon(self, url, body):
        if len(body) > 65536:
            return False
        self.beacons.append([url, json.loads(body)])
        return True

    def spawn(self, work):
        self.work.append(work)

    async def sleep(self, seconds):
        self.at += seconds * 1000

    def say(self, level, text):
        self.said.append(text)

    def listen(self, event, function):
        self.heard[event] = function

    def on_failure(self, told):
        self.fail = told

    def tag(self, key):
        return None

    def line(self, key, heard):
        """Give the worker's line to its page, if that has bridge.js."""
        self.heard_from_page = heard
        return self.told_page.append if self.has_bridge else None

    def settle(self):
        """Let everything that was begun come to its end."""
        while self.work:
            finish(self.work.pop(0)())

    def journal(self):
        return [name for name in self.disk if name.startswith("bk_bk_test~")]


def finish(work):
    """Run a coroutine that waits for nothing real."""
    try:
        while True:
            work.send(None)
    except StopIteration:
        pass


def library(visit, **options):
    made = Library(lambda: visit)
    made.init(KEY, api="https://t.example.com/", **options)
    return made


def names_of(visit):
    return [event["event"] for event in visit.sent]


def test_a_call_is_journalled_before_it_returns_and_let_go_when_the_server_has_it():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.capture("opened", {"rows": 3})
    assert len(visit.journal()) == 1
    visit.settle()
    assert visit.journal() == []
    (event,) = visit.sent
    assert event["properties"]["rows"] == 3
    assert event["properties"]["$current_url"] == "https://a.example/x"
    assert event["distinct_id"] == python.get_distinct_id()


def test_cookie_and_local_storage_are_the_tags():
    visit = Visit()
    python = library(visit)
    python.identify("ada")
    fields = wire.unpack_cookie(visit.cookies["bk_" + KEY])
    assert fields["distinct_id"] == "ada"
    assert fields["device"] == python.get_device_id()
    assert visit.disk["bk_" + KEY].partition("\n")[0] == visit.cookies["bk_" + KEY]


def test_a_visitor_of_the_tag_stays_who_they_are():
    first = "1.3.01a20a91-ae05-7e94-aea9-36f6d0ff238a.i..0.0.ada"
    visit = Visit(cookies={"bk_" + KEY: first}, disk={"bk_" + KEY: first + '\n{"registered": {"plan": "pro"}}'})
    python = library(visit, pageviews="off")
    assert python.get_distinct_id() == "ada"
    python.capture("x")
    visit.settle()
    assert visit.sent[0]["properties"]["plan"] == "pro"


def test_what_an_earlier_page_left_is_delivered_with_its_ids():
    visit = Visit(status=0)
    library(visit, pageviews="off").capture("left")
    visit.leave()
    (place,) = visit.journal()
    after = Visit(visit.disk, visit.cookies, at=visit.at)
    library(after, pageviews="off")
    after.settle()
    assert [event["uuid"] for event in after.sent] == [place.split("~")[1]]
    assert after.journal() == []


def test_another_tabs_journal_is_left_alone_until_it_is_old():
    visit = Visit(status=0)
    library(visit, pageviews="off").capture("theirs")
    del visit.disk["tab bk_" + KEY + "~tab"]
    soon = Visit(dict(visit.disk), visit.cookies, at=visit.at)
    library(soon, pageviews="off").capture("ours")
    soon.work.reverse()  # what was begun last is over first
    finish(soon.work.pop(0)())
    assert names_of(soon) == ["ours"]
    soon.settle()  # it looks again
    assert names_of(soon) == ["ours", "theirs"]
    late = Visit(visit.disk, visit.cookies, at=visit.at + 31000)
    library(late, pageviews="off")
    late.settle()
    assert names_of(late) == ["theirs"]


def test_what_was_called_while_the_clock_was_ahead_does_not_wait_until_that_time():
    visit = Visit(status=0, at=START + 3600000)
    library(visit, pageviews="off").capture("ahead")
    after = Visit({name: text for name, text in visit.disk.items() if not name.startswith("tab ")}, visit.cookies)
    library(after, pageviews="off")
    after.settle()
    assert names_of(after) == ["ahead"]
    assert after.journal() == []


def test_two_live_pages_with_one_tabs_id_repeat_nothing_and_give_no_number_twice():
    """A worker's tab that was copied: it is marked as left from the beginning."""
    visit = Visit(status=503)
    python = library(visit, pageviews="off")
    python.capture("one")
    visit.leave()
    copy = Visit(visit.disk, visit.cookies)
    copy.now, copy.sleep = visit.now, visit.sleep  # one clock
    other = library(copy, pageviews="off")
    copy.settle()
    assert names_of(copy) == ["one"]
    visit.status = 200
    visit.settle()
    for each, name in ((other, "two"), (python, "three"), (other, "four")):
        each.capture(name)
    visit.settle()
    copy.settle()
    events = {event["uuid"]: event for event in visit.sent + copy.sent}.values()
    assert sorted([[event["properties"]["$sequence"], event["event"]] for event in events]) == [
        [1, "one"],
        [2, "two"],
        [3, "three"],
        [4, "four"],
    ]
    assert len({event["properties"]["$window_id"] for event in events}) == 1
    assert visit.journal() == []


def test_what_another_tab_wrote_is_followed():
    visit = Visit()
    python = library(visit, pageviews="off")
    other = Page(visit, KEY, "", {"pageviews": "off"})
    other.begin()
    other.take("identify", ["ada"])
    python.capture("x")
    assert python.get_distinct_id() == "ada"


def test_a_page_that_is_left_hands_what_waits_to_the_server():
    visit = Visit(status=0)
    python = library(visit)
    python.capture("last")
    visit.heard["pagehide"](None)
    ((url, body),) = visit.beacons
    assert url == "https://t.example.com/run"
    assert body["api_key"] == KEY
    assert len(body["calls"]) == 3  # the page view, the event, the leaving


def test_what_is_too_much_for_a_beacon_goes_in_part_the_oldest_first():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    for number in range(8):
        python.capture("x", {"number": number, "text": "long " * 3000})
    visit.heard["pagehide"](None)
    ((_, body),) = visit.beacons
    calls = sorted(name.split("~")[1] for name in visit.journal())
    assert len(calls) == 8
    assert [id for id, _ in body["calls"]] == calls[:2]


def test_what_is_too_much_for_a_beacon_by_itself_is_passed_over():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    python.capture("large", {"a": "x" * 45000, "b": "\u00e9" * 10000})
    python.capture("small")
    visit.heard["pagehide"](None)
    ((_, body),) = visit.beacons
    assert [json.loads(text)["events"][0]["event"] for _, text in body["calls"]] == ["small"]
    assert len(visit.journal()) == 2


def test_a_browser_that_takes_no_beacon_is_not_asked_for_ever():
    visit = Visit(status=0)
    python = library(visit, pageviews="off")
    python.capture("x")
    visit.beacon = lambda url, body: False
    visit.heard["pagehide"](None)
    assert len(visit.journal()) == 1


def test_an_outage_is_waited_out():
    visit = Visit(status=503)
    python = library(visit, pageviews="off")
    python.capture("x")
    work = visit.work.pop()
    answers = [503, 503, 200]

    async def post(url, body):
        visit.status = answers.pop(0)
        return await Visit.post(visit, url, body)

    visit.post = post
    finish(work())
    assert names_of(visit) == ["x"]
    finish(python.flush())


def test_a_wrong_key_is_said_and_flush_ends():
    visit = Visit(status=401)
    python = library(visit, pageviews="off")
    python.capture("x")
    visit.settle()
    finish(python.flush())
    assert "Mend the key in beknown.init()" in visit.said[0]


def test_ids_sort_in_the_order_of_the_calls_even_within_a_millisecond():
    visit = Visit(status=0)
    visit.now = lambda: START
    page = Page(visit, KEY, "", {"pageviews": "off"})
    page.begin()
    for number in range(300):
        page.take("register", [{"n": number}])
    ids = [page.journal.new_id() for _ in range(300)]
    assert ids == sorted(ids)


def test_scoped_properties_end_with_their_block_and_the_events_own_win():
    visit = Visit()
    python = library(visit, pageviews="off")
    with python.properties(step="import", n=1):
        with python.properties(n=2):
            python.capture("inner", {"step": "own"})
        python.capture("outer")
    python.capture("after")
    visit.settle()
    inner, outer, after = [event["properties"] for event in visit.sent]
    assert [inner["step"], inner["n"]] == ["own", 2]
    assert [outer["step"], outer["n"]] == ["import", 1]
    assert "step" not in after


def test_a_captured_function_is_timed_and_does_what_it_did():
    visit = Visit()
    python = library(visit, pageviews="off")

    @python.captured("added", {"kind": "sum"})
    def add(a, b=1):
        return a + b

    @python.captured("awaited")
    async def wait(value):
        return value

    @python.captured("failed")
    def fail():
        raise KeyError("ada@example.com")

    assert add(1, b=2) == 3
    try:
        wait(4).send(None)
    except StopIteration as done:
        assert done.value == 4
    try:
        fail()
        raise AssertionError("it did not raise")
    except KeyError:
        pass
    visit.settle()
    added, awaited, failed = visit.sent
    assert added["properties"]["kind"] == "sum"
    assert added["properties"]["duration_ms"] >= 0
    assert awaited["event"] == "awaited"
    assert failed["properties"]["exception"] == "KeyError"
    assert "ada@example.com" not in json.dumps(failed)


def test_what_lasts_is_timed_to_its_end_whatever_that_is():
    visit = Visit()
    python = library(visit, pageviews="off")

    class Cancelled(BaseException):
        pass

    @python.captured("generated")
    def generate():
        yield 1
        visit.capture_count = len(visit.journal())
        yield 2

    @python.captured("cancelled")
    async def wait():
        raise Cancelled

    assert list(generate()) == [1, 2]
    assert visit.capture_count == 0, "not before its last step"
    broken_off = generate()
    next(broken_off)
    broken_off.close()
    try:
        wait().send(None)
        raise AssertionError("it did not raise")
    except Cancelled:
        pass
    visit.settle()
    assert names_of(visit) == ["generated", "generated", "cancelled"]
    assert [event["properties"].get("exception") for event in visit.sent] == [None, None, "Cancelled"]


def test_a_captured_function_looks_like_the_one_it_stands_for():
    """As PyScript's ``@when`` looks at it, to tell whether it is to be awaited and takes the event."""
    python = library(Visit(), pageviews="off")

    def nothing():
        pass

    def one(event, *, name=""):
        return [event, name]

    async def later(event):
        return event

    async def at_once():
        pass

    for function in (nothing, one, later, at_once):
        captured = python.captured("x")(function)
        assert bool(inspect.signature(captured).parameters) == bool(inspect.signature(function).parameters)
        if hasattr(function, "__dict__"):
            assert inspect.iscoroutinefunction(captured) == inspect.iscoroutinefunction(function)
        else:  # MicroPython
            assert ("<generator>" in repr(captured)) == ("<generator>" in repr(function))
    assert python.captured("x")(one)(1, name="a") == python.captured("x")(one)(event=1, name="a") == [1, "a"]


def test_an_async_generator_and_a_partial_are_captured_too():
    visit = Visit()
    python = library(visit, pageviews="off")

    @python.captured("stepped")
    async def step():
        yield 1
        yield 2

    assert python.captured("partial")(functools.partial(max, 1))(2) == 2
    visit.settle()
    if hasattr(step(), "asend"):  # MicroPython's are generators
        steps, found = step(), []
        for _ in range(2):
            try:
                steps.asend(None).send(None)
            except StopIteration as each:
                found.append(each.value)
        assert found == [1, 2]
        assert names_of(visit) == ["partial"], "not before its last step"
        try:
            steps.asend(None).send(None)
        except StopAsyncIteration:
            pass
        visit.settle()
        assert names_of(visit) == ["partial", "stepped"]


def test_a_function_that_is_captured_without_a_name_goes_on():
    visit = Visit()
    python = library(visit, pageviews="off")

    @python.captured
    def plain(a):
        return a + 1

    @python.captured()
    def nameless(a):
        return a + 2

    assert [plain(1), nameless(1)] == [2, 3]
    visit.settle()
    if visit.sent:  # of a closure of MicroPython's nothing tells the name
        assert names_of(visit) == ["plain"]
    assert ["captured() needs a name" in visit.said[-1], len(visit.said) + len(visit.sent)] == [True, 2]


class Future:
    """As asyncio's: MicroPython has none, and a page may have its own."""

    _exception = None

    def __await__(self):
        yield

    def cancelled(self):
        return False

    def add_done_callback(self, told):
        self.told = told


def test_a_future_is_given_on_as_it_is_and_timed_until_it_is_done():
    visit = Visit()
    python = library(visit, pageviews="off")
    future, failed = Future(), Future()
    assert python.captured("begun")(lambda: future)() is future
    python.captured("failed")(lambda: failed)()
    visit.settle()
    assert visit.sent == [], "not before it is done"
    future.told(future)
    failed._exception = KeyError("ada@example.com")
    failed.told(failed)
    visit.settle()
    assert names_of(visit) == ["begun", "failed"]
    assert [event["properties"].get("exception") for event in visit.sent] == [None, "KeyError"]


class Scalar:
    def item(self):
        return 7


class Array:
    def tolist(self):
        return [1.5, float("nan")]


class Member:
    _value_ = value = "red"


class Decimal:
    def __float__(self):
        return 12.5


class Span:
    def total_seconds(self):
        return 90.0


class Path:
    def __fspath__(self):
        return "/data"

    def __str__(self):
        return "/data"


class Record:
    __dataclass_fields__ = {"a": 0, "b": 0}
    a = 1
    b = (2, Member())


class Model:
    """As pydantic's: what it holds is in no attribute that others have."""

    def model_dump(self):
        return {"at": Span(), "kept": 1}

    def __iter__(self):
        raise AssertionError("gone through")


class Tally:
    def items(self):
        return [("x", 2)]


def generated():
    yield 1


class Frame:
    """What pandas and numpy have, of ``rows`` x 3."""

    def __init__(self, rows=2):
        self.rows = rows
        self.size = 3 * rows

    def tolist(self):
        assert self.size < 100, "gone through"
        return f"{self.rows} x 3"


class Endless:
    def __len__(self):
        return 10**6

    def __iter__(self):
        raise AssertionError("gone through")


TABLE = [
    (Member(), "red"),
    (Decimal(), 12.5),
    (Span(), 90.0),
    (Path(), "/data"),
    (Record(), {"a": 1, "b": [2, "red"]}),
    (Model(), {"at": 90.0, "kept": 1}),
    (Tally(), {"x": 2}),
    (Frame(), "2 x 3"),
    (b"caf\xc3\xa9", "caf\u00e9"),
    (bytearray(b"x"), "x"),
    (frozenset([5]), [5]),
    (range(3), [0, 1, 2]),
    ({"k": 1}.values(), [1]),
    ({7: {"deep": (1,)}}, {"7": {"deep": [1]}}),
    ("cut \ud83d", "cut \ufffd"),
    ({"\ude00 name": ["\ud83d\ude00"]}, {"\ufffd name": ["\U0001f600"]}),
    (float("inf"), None),
    (True, True),
    (2**40, 2**40),
    (2**53 - 1, 2**53 - 1),
    (-(2**53), "-9007199254740992"),
    ({"ids": [1234567890123456789]}, {"ids": ["1234567890123456789"]}),
]


class Failing:
    def __init__(self, way):
        self.way = way

    def __getattr__(self, name):
        if name != self.way:
            raise AttributeError(name)
        return self.fail

    def fail(self):
        raise KeyError("nothing")


class Anything:
    """Has every attribute, as unittest.mock's have."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self):
        return self


REFUSED = [b"\xff\xfe", generated(), object(), generated, Member, 1j, 10**5000, Anything()]
REFUSED += [io.StringIO("an open file"), io.BytesIO(b"another")]
REFUSED += [Frame(10**6), Endless(), range(10**8)]
REFUSED += [Failing(way) for way in ("items", "tolist", "isoformat", "total_seconds", "model_dump")]


def test_every_runtime_converts_and_refuses_python_objects_alike():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.capture("x", {str(n): value for n, (value, _) in enumerate(TABLE)})
    python.capture("y", {str(n): value for n, value in enumerate(REFUSED)})
    visit.settle()
    found, refused = [event["properties"] for event in visit.sent]
    for n, (value, expected) in enumerate(TABLE):
        assert found[str(n)] == expected, (n, value, found[str(n)])
        assert type(found[str(n)]) is type(expected), (n, value)
    assert [n for n in range(len(REFUSED)) if str(n) in refused] == []
    assert len(visit.said) == len(REFUSED)
    assert [text for text in visit.said if "gone through" in text] == []


def test_half_an_emoji_costs_no_sign_up():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.identify("ada", {"name": "Ada \ud83d"})
    python.set_person_properties({"bio\ud83d": "\ude00"})
    visit.settle()
    assert names_of(visit) == ["$identify", "$set"]
    assert [event["$set"] for event in visit.sent] == [{"name": "Ada \ufffd"}, {"bio\ufffd": "\ufffd"}]
    assert visit.said == []


def test_of_a_persons_properties_the_usable_part_is_kept_and_a_bag_that_is_none_costs_no_call():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.capture("x", {}, {"$set": {"plan": "pro", "f": len}})
    python.capture("y", Anything(), Anything())
    python.identify("ada", Failing("items"))
    with python.properties(step="import"):
        python.capture("z", Tally())
        python.capture("text", "plan")
    visit.settle()
    assert names_of(visit) == ["x", "y", "$identify", "z", "text"]
    assert visit.sent[0]["$set"] == {"plan": "pro"}
    assert [visit.sent[3]["properties"][name] for name in ("x", "step")] == [2, "import"]
    assert visit.sent[4]["properties"]["step"] == "import"
    assert ["set.f" in visit.said[0], len(visit.said)] == [True, 5]


def test_an_event_of_another_time_says_so_in_its_options():
    visit = Visit()
    python = library(visit, pageviews="off")
    uuid = "018f0000-0000-7000-8000-000000000001"
    python.capture("x", {}, {"timestamp": "2026-01-02T03:04:05.678Z", "uuid": uuid, "$unset": ["plan"]})
    visit.settle()
    (sent,) = visit.sent
    assert [sent["timestamp"], sent["uuid"], sent["$unset"]] == [
        "2026-01-02T03:04:05.678Z",
        uuid,
        ["plan"],
    ]


def test_the_standard_librarys_own_are_converted_where_there_are_any():
    try:
        from collections import Counter, deque
        from dataclasses import InitVar, dataclass
        from datetime import date, timedelta
        from decimal import Decimal
        from enum import Enum
        from pathlib import PurePosixPath
        from uuid import UUID
    except ImportError:  # MicroPython, which has none of them; what stands for them is above
        return

    @dataclass
    class Point:
        x: int
        y: InitVar[int]

    kind = Enum("Kind", "A B")
    given = [Point(1, 2), kind.B, Decimal("1.5"), PurePosixPath("/a"), UUID(int=1), timedelta(minutes=1)]
    given += [Counter("aa"), deque([1]), date(2026, 1, 2)]
    visit = Visit()
    library(visit, pageviews="off").capture("x", {"all": given})
    visit.settle()
    id = "00000000-0000-0000-0000-000000000001"
    assert visit.sent[0]["properties"]["all"] == [
        {"x": 1}, 2, 1.5, "/a", id, 60.0, {"a": 2}, [1], "2026-01-02",
    ]  # fmt: skip
    assert visit.said == []
    library(visit, pageviews="off").capture("y", {"class": date, "no": Decimal("sNaN"), "n": Decimal("NaN"), "kept": 1})
    visit.settle()
    assert visit.sent[1]["properties"]["kept"] == 1
    assert len(visit.said) == 2


def test_python_values_are_converted_or_refused_by_one_table():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.capture(
        "x",
        {"set": {1}, "tuple": (1, 2), "nan": float("nan"), "scalar": Scalar(), "array": Array(), "object": object()},
    )
    visit.settle()
    found = visit.sent[0]["properties"]
    assert [found[name] for name in ("set", "tuple", "nan", "scalar", "array")] == [[1], [1, 2], None, 7, [1.5, None]]
    assert "object" not in found
    assert "properties.object" in visit.said[0]


def test_a_bad_call_is_explained_and_raises_nothing():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.identify("undefined")
    python.capture(None)
    python.identify(object())
    assert len(visit.said) == 3


def test_a_signature_is_named():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.identify("ada", {"plan": "pro"}, signature="s1")
    python.alias("ada-2", signature="s2")
    python.alias("ada-3")
    visit.settle()
    assert [event["properties"].get("$signature") for event in visit.sent] == ["s1", "s2", None]
    assert visit.sent[0]["$set"] == {"plan": "pro"}


def test_the_forms_that_javascript_has_are_taken_too():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.register({"plan": "pro", "theme": "dark"})
    python.identify("ada", {}, {}, {"signature": "s1"})
    python.alias("ada-2", {"signature": "s2"})
    device = python.get_device_id()
    python.reset({"keep": ["plan"]}, device=True)
    python.capture("x")
    assert python.get_device_id() != device
    device = python.get_device_id()
    python.reset(True)
    assert python.get_device_id() != device
    python.alias("bob", "somebody")
    visit.settle()
    claim, alias, seen, _ = visit.sent
    assert [claim["properties"]["$signature"], alias["properties"]["$signature"]] == ["s1", "s2"]
    assert [seen["properties"].get("plan"), seen["properties"].get("theme")] == ["pro", None]
    assert ["'somebody' is ignored" in visit.said[0], len(visit.said)] == [True, 1]


def test_arguments_that_do_not_fit_are_said_and_raise_nothing():
    visit = Visit()
    python = library(visit, pageviews="off")
    names = [name for name in beknown.__all__ if name != "init"]
    for name in names:
        visit.settle()
        visit.said.clear()
        answer = getattr(python, name)(*[{}] * 7)
        if name in ("ready", "flush"):
            finish(answer)
        elif name == "on":
            answer()
        elif name == "captured":
            assert answer(len) is len
        elif name == "properties":
            with answer:
                pass
        assert f"{name}(): its arguments do not fit" in visit.said[0], name
    visit.said.clear()
    python.opt_in()
    python.capture("x", props={})
    python.identify()
    python.identify("bob", email="bob@a.example")
    assert [text.partition("(")[0] for text in visit.said] == ["capture", "identify", "identify"]
    python.identify("ada")
    python.reset(hard=True)
    assert python.get_distinct_id() != "ada", "a log-out is one all the same"
    visit.settle()
    assert names_of(visit)[-1] == "$identify"


def test_ready_tells_which_python_it_is():
    answers = []

    async def ask():
        answers.append(await library(Visit()).ready())

    finish(ask())
    version = ".".join([str(part) for part in sys.implementation.version[:3]])
    runtime = "micropython" if sys.implementation.name == "micropython" else "pyodide"
    assert answers == [{"runtime": runtime, "version": version}]


def test_a_missing_init_is_said_once():
    visit = Visit()
    python = Library(lambda: visit)
    python.capture("x")
    python.identify("ada")
    assert len(visit.said) == 1
    assert "init" in visit.said[0]
    assert python.get_distinct_id() == ""


def test_a_missing_init_is_said_once_by_what_asks_too():
    asks = ["get_distinct_id", "get_device_id", "get_session_id", "consent", "ready", "flush"]
    for name in asks:
        visit = Visit()
        python = Library(lambda visit=visit: visit)
        for each in [name] + asks:
            answer = getattr(python, each)()
            if each in ("ready", "flush"):
                finish(answer)
        assert [f"beknown.{name}() came before" in visit.said[0], len(visit.said)] == [True, 1]


def test_a_second_init_for_something_else_says_once_that_it_does_nothing():
    visit = Visit()
    python = library(visit)
    python.init(KEY, api="https://t.example.com")
    python.init(KEY)
    assert visit.said == []
    python.init("bk_other", api="https://t.example.com")
    python.init(KEY, api="https://u.example.com")
    assert ["already begun with bk_test at https://t.example.com" in visit.said[0], len(visit.said)] == [True, 1]


def test_init_without_key_or_address_or_browser_says_what_to_pass():
    for found, args in ((Visit(), [KEY]), (Visit(), ["", "https://t.example.com"]), (None, [KEY, "https://x"])):
        try:
            Library(lambda found=found: found).init(*args)
        except BadCall as refusal:
            assert "beknown" in str(refusal)
        else:
            raise AssertionError("accepted")


def test_a_worker_without_the_page_says_so_and_counts_all_the_same():
    visit = Visit(has_page=False)
    python = library(visit)
    python.capture("x")
    visit.settle()
    assert names_of(visit) == ["x"]
    assert "worker" in visit.said[0]


class Tagged(Visit):
    """A page that has the tag: ``ran`` are the calls that it took, once it has loaded."""

    def __init__(self, queue=None, **more):
        Visit.__init__(self, **more)
        self.in_worker = False
        self.queued = queue
        self.ran = None
        self.getAttribute = {}.get

    def tag(self, key):
        return self

    def on_load(self, script, function):
        self.has_loaded = function

    def load(self):
        self.ran = self.queued or []
        self.has_loaded()

    def loaded(self, name):
        return None if self.ran is None else self

    def queue(self, name, call):
        if self.queued is not None:
            self.queued.append(call)
        return self.queued is not None

    def apply(self, target, method, args):
        self.ran.append([method, args])

    def hand(self, target, method, names, function):
        self.ran.append([method, names])
        self.hooked = function


def test_calls_wait_for_the_tag_with_their_time_and_functions_come_before_them():
    visit = Tagged()
    python = Library(lambda: visit)
    python.init(KEY)
    python.capture("a")
    made = int(visit.at)
    python.capture("b", {}, {"timestamp": 1})
    python.identify("ada")
    python.before_send(edited)
    assert [visit.ran, visit.work] == [None, []]
    visit.load()
    python.capture("c")
    assert [call[0] for call in visit.ran] == ["before_send", "capture", "capture", "identify", "capture"]
    assert [call[1][2].get("timestamp") for call in visit.ran if call[0] == "capture"] == [made, 1, None]
    assert visit.hooked({"properties": {"on": When()}}) == {"properties": {"on": "2026-11-29", "edited": 1}}


def test_calls_go_into_the_queue_that_a_page_has():
    visit = Tagged([])
    python = Library(lambda: visit)
    python.init(KEY)
    python.capture("a")
    assert [visit.queued[0][0], visit.queued[0][1][0], visit.queued[0][2]] == ["capture", "a", int(visit.at)]
    python.on("capture", len)
    visit.load()
    assert [call[0] for call in visit.ran] == ["capture", "on"]
    assert visit.hooked({}) is None, "nobody asks a listener"


def calls_in(texts):
    """Give name and first argument of each call that went over the line."""
    return [[each["call"][0], each["call"][1][0]] for each in [json.loads(text) for text in texts] if "call" in each]


def test_a_workers_calls_go_to_the_tag_in_order_once_the_page_has_answered():
    visit = Visit(has_page=False, has_bridge=True)
    python = library(visit)
    python.capture("early", {"n": 1})
    assert python.get_distinct_id() == ""
    assert visit.told_page == []
    visit.heard_from_page('{"who": ["anon", "device", "session"]}')
    python.identify("ada")
    assert calls_in(visit.told_page) == [["capture", "early"], ["identify", "ada"]]
    assert [python.get_distinct_id(), python.get_device_id(), python.get_session_id()] == ["anon", "device", "session"]
    visit.heard_from_page('{"who": ["ada", "device", "session"], "flushed": 1}')
    finish(python.flush())
    finish(python.ready())
    assert python.get_distinct_id() == "ada"
    assert [visit.sent, visit.said] == [[], []]


def test_a_page_whose_thread_was_busy_answers_late_and_a_workers_calls_keep_their_time():
    visit = Visit(has_page=False, has_bridge=True)
    python = library(visit)
    python.capture("early")
    made = int(visit.at)

    async def sleep(seconds):
        visit.at += seconds * 1000
        if visit.at > START + 15000:
            visit.heard_from_page('{"who": ["", "", ""], "consent": ""}')

    visit.sleep = sleep
    visit.settle()
    python.capture("late", {}, {"timestamp": "2026-01-02T03:04:05.678Z"})
    early, late = [json.loads(text)["call"] for text in visit.told_page]
    assert [early[0], early[1][0], early[1][2], early[2]] == ["capture", "early", {"timestamp": made}, made]
    assert late[1][2] == {"timestamp": "2026-01-02T03:04:05.678Z"}
    assert python.consent() == ""
    visit.heard_from_page('{"who": ["", "", ""], "consent": "pending"}')
    assert [python.consent(), visit.said] == ["pending", []]
    before = visit.at
    finish(python.ready())
    assert visit.at == before, "nobody is waited for where nobody may be known"


def test_a_number_as_an_id_is_explained_once_to_python_in_a_page_too():
    visit = Visit()
    python = library(visit, pageviews="off")
    python.identify(42)
    python.identify(42)
    visit.settle()
    assert (python.get_distinct_id(), names_of(visit)) == ("42", ["$identify"])
    (line,) = visit.said
    assert "42 is a number" in line


def test_a_number_that_javascript_would_round_is_the_same_id_whoever_takes_the_call():
    big, text = 1234567890123456789, "1234567890123456789"
    alone = Visit()
    python = library(alone, pageviews="off")
    python.group("company", big)
    python.alias(big - 1)
    python.identify(big)
    alone.settle()
    assert python.get_distinct_id() == text
    assert [alone.sent[0]["properties"]["$group_key"], alone.sent[1]["properties"]["alias"]] == [text, str(big - 1)]
    bridged = Visit(has_page=False, has_bridge=True)
    python = library(bridged)
    bridged.heard_from_page('{"who": ["anon", "device", "session"]}')
    python.identify(big)
    assert calls_in(bridged.told_page) == [["identify", text]]


def test_a_worker_without_the_page_says_so_once_and_counts_what_it_has_kept():
    for answer in (None, '{"none": 1}'):
        visit = Visit(has_page=False, has_bridge=True)
        python = library(visit)
        python.capture("a")
        if answer:
            visit.heard_from_page(answer)
        visit.settle()
        visit.heard_from_page('{"who": ["late", "late", "late"]}')
        python.capture("b")
        visit.settle()
        finish(python.flush())
        assert names_of(visit) == ["a", "b"]
        assert len({event["distinct_id"] for event in visit.sent}) == 1
        assert visit.told_page == []
        assert len(visit.said) == 1
        assert "worker" in visit.said[0]


def test_a_worker_needs_no_address_where_the_page_has_the_tag_and_says_so_where_it_has_not():
    visit = Visit(has_page=False, has_bridge=True)
    python = Library(lambda: visit)
    python.init(KEY)
    visit.heard_from_page('{"who": ["anon", "device", "session"]}')
    python.capture("a")
    assert calls_in(visit.told_page) == [["capture", "a"]]
    assert visit.said == []
    for has_bridge in (True, False):
        visit = Visit(has_page=False, has_bridge=has_bridge)
        python = Library(lambda visit=visit: visit)
        python.init(KEY)
        python.capture("a")
        visit.settle()
        visit.heard_from_page('{"who": ["late", "late", "late"]}')
        python.capture("b")
        finish(python.flush())
        finish(python.ready())
        assert [visit.sent, visit.told_page, visit.journal()] == [[], [], []]
        assert ["no address" in visit.said[0], len(visit.said)] == [True, 1]


def test_a_tag_that_delivers_nothing_is_not_waited_for_forever():
    visit = Visit(has_page=False, has_bridge=True)
    python = library(visit)
    visit.heard_from_page('{"who": ["", "", ""]}')
    finish(python.flush())
    assert "not delivered" in visit.said[0]


def test_the_way_back_within_a_document_is_a_page_view_and_a_page_that_comes_back():
    for pageviews, expected in (("auto", 3), ("query", 3), ("off", 0), (False, 0)):
        visit = Visit()
        library(visit, pageviews=pageviews)
        where = dict(visit.where(), url="https://a.example/y")
        visit.where = lambda where=where: where
        for name in ("popstate", "popstate", "pageshow"):
            if name in visit.heard:
                visit.heard[name](Shown())
        visit.settle()
        views = [event for event in visit.sent if event["event"] == "$pageview"]
        assert len(views) == expected
        if expected:
            assert views[1]["properties"]["navigation_type"] == "popstate"


class Shown:
    persisted = True


def test_options_are_what_python_says_them_to_be():
    visit = Visit()
    where = {"url": "https://a.example/?gclid=abc", "referrer": "", "title": "X"}
    visit.where = lambda: where
    library(visit, mask=False, deny=["title", "secret"], pageviews="off").capture("x", {"secret": 1, "kept": 2})
    visit.settle()
    found = visit.sent[0]["properties"]
    assert found["$current_url"] == where["url"]
    assert ["secret" in found, "title" in found, found["kept"]] == [False, False, 2]
    library(visit, links="auto", tracing_hosts="x", bots="count")
    assert len(visit.said) == 2
    assert "links" in visit.said[0]


def test_what_is_hooked_before_init_sees_the_first_page_view():
    visit = Visit()
    python = Library(lambda: visit)
    seen = []
    python.before_send(lambda event: dict(event, properties=dict(event["properties"], edited=True)))
    python.on("capture", seen.append)
    python.init(KEY, api="https://t.example.com")
    visit.settle()
    assert visit.sent[0]["event"] == "$pageview"
    assert visit.sent[0]["properties"]["edited"] is True
    assert seen == visit.sent


def edited(event):
    return dict(event, properties=dict(event["properties"], edited=event["properties"].get("edited", 0) + 1))


def test_a_workers_functions_see_every_event_once_where_no_page_answers():
    for has_bridge, answer in ((False, None), (True, None), (True, '{"none": 1}')):
        for is_early in (True, False):
            visit = Visit(has_page=False, has_bridge=has_bridge)
            python = Library(lambda visit=visit: visit)
            seen = []
            if not is_early:
                python.init(KEY, api="https://t.example.com")
            python.before_send(edited)
            python.on("capture", seen.append)
            if is_early:
                python.init(KEY, api="https://t.example.com")
            python.capture("a")
            if answer:
                visit.heard_from_page(answer)
            visit.settle()
            python.capture("b")
            visit.settle()
            assert names_of(visit) == ["a", "b"]
            assert [event["properties"]["edited"] for event in visit.sent] == [1, 1]
            assert seen == visit.sent
            assert ["neither cookies" in visit.said[0], len(visit.said)] == [True, 1]


def test_that_a_workers_functions_do_not_reach_the_pages_tag_is_said_once_it_is_known():
    visit = Visit(has_page=False, has_bridge=True)
    python = Library(lambda: visit)
    python.before_send(edited)
    python.init(KEY)
    python.on("capture", edited)
    assert visit.said == []
    for _ in range(2):
        visit.heard_from_page('{"who": ["anon", "device", "session"]}')
    python.before_send(edited)
    assert [text.partition("() cannot reach the page's tag")[0].split(" ")[-1] for text in visit.said] == [
        "before_send", "on", "before_send",
    ]  # fmt: skip


def test_a_workers_choice_of_consent_waits_for_the_answer_and_holds_without_one():
    visit = Visit(has_page=False, has_bridge=True)
    python = library(visit)
    python.capture("before")
    python.opt_out()
    python.capture("after")
    visit.settle()
    assert (visit.sent, python.consent()) == ([], "denied")
    python.opt_in()
    python.capture("again")
    visit.settle()
    assert names_of(visit) == ["again"]
    bridged = Visit(has_page=False, has_bridge=True)
    library(bridged).opt_out()
    bridged.heard_from_page('{"who": ["anon", "device", "session"]}')
    assert [json.loads(text)["call"][0] for text in bridged.told_page] == ["opt_out"]


def test_what_is_no_hook_is_explained_also_before_init_and_costs_nothing_else():
    for has_page in (True, False):
        visit = Visit(has_page=has_page)
        python = Library(lambda visit=visit: visit)
        python.before_send("x")
        python.on("click", edited)
        python.init(KEY, api="https://t.example.com", pageviews="off")
        python.capture("a")
        visit.settle()
        assert names_of(visit) == ["a"]
        assert "before_send() needs a function" in visit.said[0]
        assert "on() tells of" in visit.said[1]


def test_what_on_gives_ends_it():
    visit = Visit()
    python = library(visit, pageviews="off")
    first, second = [], []
    end = python.on("identify", first.append)
    python.on("identify", second.append)
    python.identify("ada")
    end()
    end()
    python.identify("bob")
    assert [first, second] == [["ada"], ["ada", "bob"]]


class When:
    def isoformat(self):
        return "2026-11-29"


def test_what_before_send_gives_passes_the_same_table_of_values():
    visit = Visit()
    python = library(visit, pageviews="off")
    given = {"big": 1 << 60, "nan": float("nan"), "on": When(), "all": (1, {2}), "f": len}
    more = {"properties": given, "mine": len, "$set": {"at": When(), "f": len}}
    python.before_send(lambda event: event | more)
    python.capture("x")
    python.before_send(lambda event: len)
    python.capture("y")
    visit.settle()
    (sent,) = visit.sent
    assert sent["properties"] == {"big": str(1 << 60), "nan": None, "on": "2026-11-29", "all": [1, [2]]}
    assert sent["$set"] == {"at": "2026-11-29"}
    assert "mine" not in sent
    for place in ("properties.f", "mine", "$set.f"):
        assert any(f"before_send().{place} " in text for text in visit.said)
    assert '"y" was dropped' in visit.said[-1]


def test_whatever_fails_inside_ends_at_the_wall():
    visit = Visit()
    python = library(visit, pageviews="off")

    class Broken:
        def __getattr__(self, name):
            raise OSError(name)

    python._brain = Broken()
    asks = ["get_distinct_id", "get_device_id", "get_session_id", "consent", "ready", "flush"]
    for name in asks:
        answer = getattr(python, name)()
        if name in ("ready", "flush"):
            finish(answer)
        else:
            assert answer == ""
        assert f"{name}() failed" in visit.said[-1]
    worker = Visit(has_page=False)
    worker.facts = Broken
    python = library(worker)
    python.capture("x")
    finish(python.flush())
    assert ["init() failed" in worker.said[-1], len(worker.said), worker.journal()] == [True, 2, []]


def test_options_beside_a_tag_are_said_to_be_ignored():
    visit = Tagged()
    Library(lambda: visit).init(KEY, api="https://t.example.com", exceptions=False)
    assert visit.said == []
    Library(lambda: visit).init(KEY, consent="pending", bots="count")
    assert ["ignores bots, consent:" in visit.said[0], len(visit.said)] == [True, 1]


def test_what_nobody_catches_is_captured_where_init_was_asked_to_and_nowhere_else():
    for visit in (Visit(), Visit(has_page=False), Tagged()):
        Library(lambda visit=visit: visit).init(KEY, api="https://t.example.com")
        assert visit.fail is None
    for visit in (Visit(), Visit(has_page=False)):
        library(visit, exceptions=True, pageviews="off")
        visit.fail('Traceback (most recent call last):\n  File "main.py", line 3, in pay\nKeyError: ada@example.com\n')
        visit.fail("no traceback")
        visit.settle()
        (sent,) = visit.sent
        assert [sent["event"], sent["properties"]["$exception_list"][0]["type"]] == ["$exception", "KeyError"]
    visit = Tagged()
    Library(lambda: visit).init(KEY, exceptions=True)
    visit.fail('Traceback (most recent call last):\n  File "main.py", line 3, in pay\nKeyError: x\n')
    visit.load()
    assert [visit.ran[0][0], visit.ran[0][1][0]] == ["capture", "$exception"]


def test_every_public_name_is_the_librarys():
    for name in beknown.__all__:
        assert callable(getattr(beknown, name))
        assert hasattr(Library, name)


def test_a_page_that_came_back_from_the_browsers_cache_is_not_left_and_a_no_forgets_the_tab():
    place = "tab bk_" + KEY + "~tab"
    visit = Visit()
    python = library(visit, pageviews="auto")
    visit.heard["pagehide"](None)
    assert visit.disk[place].endswith("~")
    visit.heard["pageshow"](Shown())
    assert len(visit.disk[place]) == 36
    python.opt_out()
    visit.heard["pagehide"](None)
    visit.heard["pageshow"](Shown())
    assert not visit.disk[place]
