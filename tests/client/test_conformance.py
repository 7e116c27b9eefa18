"""The cases of tests/conformance, each a test of its own; the format is in the README there.

Plain functions, made from the cases, so that pytest and the runner of tests/runtimes see them alike. Where there are
no files (MicroPython in a page), that runner lays the cases beside this file as a module.
"""

import json
import sys

from beknown import ids, tracker, wire

try:
    from conformance_cases import CASES
except ImportError:
    from pathlib import Path

    CASES = []
    for path in sorted((Path(__file__).parents[1] / "conformance").glob("*.json")):
        CASES += json.loads(path.read_text())

SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
START = 1795473649157
FIRST = f"1.0.{SEED}.a..0.0.{SEED}"  # what the stub writes on a first visit
ADOPTED_AFTER = 30000  # ms: when the stub takes over what another tab left
HALF = 0.5  # the dice: a retry waits exactly as long as planned
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Visitor:
    """One browser, the tabs in it, and a server that keeps each event once."""

    def __init__(self, case):
        self.case = case
        self.at = START
        self.count = 0
        self.stored = list(case.get("stored") or [FIRST, FIRST + "\n{}"])
        self.journal = {}  # call id -> [text, tab]
        self.said = []
        self.events = []  # as the server has them
        self.repeats = 0
        for text in case.get("journal", []):
            self.journal[self.new_id()] = [text if isinstance(text, str) else json.dumps(text), "w"]
        self.tabs = {}
        self.tab = self.opened("w")

    def new_id(self):
        self.count += 1
        return ids.uuid7(self.at, bytes([self.count % 256] * 10))

    def opened(self, name):
        """Give a tab, on a new page of it unless it is open."""
        if name not in self.tabs:
            self.tabs[name] = Tab(self, name)
        return self.tabs[name]

    def store(self, events):
        for event in events:
            if event["uuid"] in [each["uuid"] for each in self.events]:
                self.repeats += 1
            else:
                self.events.append(event)

    def flush(self):
        for name in sorted(self.tabs):
            tab = self.tabs[name]
            while tab.send() or tab.wait_for_request():
                if tab.body:
                    tab.answer({"answer": 200})

    def names(self):
        """Give the state that the next page would find, by name."""
        cookie, local = self.stored
        head, _, rest = local.partition("\n")
        assert head == cookie, f"the stores disagree: {self.stored}"
        found = json.loads(rest)
        found.update(wire.unpack_cookie(cookie))
        return found


class Tab:
    """One tab on one page: a tracker, and the stub's part (static/beknown.js) as far as a case can tell."""

    def __init__(self, visitor, name):
        self.visitor = visitor
        self.name = name
        self.open()

    def open(self):
        """Start Python on a new page, from storage and journal."""
        visitor, case = self.visitor, self.visitor.case
        self.seen = list(visitor.stored)
        self.body = None
        self.tracker = tracker.Tracker(
            "bk_test", case.get("facts", {}), self.seen, seed=SEED, options=case.get("options", {})
        )
        for call in sorted(visitor.journal):
            text, owner = visitor.journal[call]
            if owner == self.name or visitor.at - ids.time_of(call) > ADOPTED_AFTER:
                self.tracker.take(call, text)
        self.carry_out()

    def journalled(self, step):
        """Write one call into the journal, as the stub does before it returns."""
        visitor = self.visitor
        visitor.at += step.get("after", 1000)
        name, args = step["call"][0], step["call"][1:]
        entry = {"call": name, "args": args, "at": visitor.at + step.get("at", 0), "window": self.name}
        for field in ("url", "referrer", "title"):
            if field in step:
                entry[field] = step[field]
        entry.setdefault("url", "https://a.example/x")
        call = visitor.new_id()
        visitor.journal[call] = [json.dumps(entry), self.name]
        return call

    def call(self, step):
        for _ in range(step.get("times", 1)):
            call = self.journalled(step)
            self.follow()
            self.tracker.take(call, self.visitor.journal[call][0])
            self.carry_out(step.get("crash"))
        if "crash" in step:
            self.open()

    def follow(self):
        """Tell the tracker if somebody else has written the stores."""
        if self.visitor.stored != self.seen:
            self.seen = list(self.visitor.stored)
            self.tracker.follow(self.seen)

    def carry_out(self, most=None):
        visitor = self.visitor
        for effect in self.tracker.effects()[:most]:
            what = effect[0]
            if what == "journal":
                visitor.journal[effect[1]][0] = effect[2]
            elif what == "store":
                visitor.stored = self.seen = effect[1:]
            elif what == "done":
                for call in effect[1]:
                    visitor.journal.pop(call, None)
            elif what == "say":
                visitor.said.append(effect[2])
            else:
                assert effect == ["stopped"], effect

    def send(self):
        """Give the names of the events in the request that is due now."""
        body = self.tracker.request(self.visitor.at)
        self.body = body or self.body
        return [event["event"] for event in json.loads(body)["batch"]] if body else []

    def wait_for_request(self):
        """Move the clock to the next request; tell whether there is one."""
        wake = self.tracker.wake_at()
        if wake is not None:
            self.visitor.at = max(self.visitor.at, wake)
        return wake is not None

    def answer(self, step):
        status = step["answer"]
        if status in (200, "lost"):
            self.visitor.store(json.loads(self.body)["batch"])
        status = 0 if status == "lost" else status
        self.tracker.answered(
            status,
            self.visitor.at,
            chance=HALF,
            retry_after=step.get("retry_after", 0),
            detail=step.get("detail", ""),
        )
        self.body = None
        self.carry_out()


def taken(visitor, step, names):
    """Take one step of a case."""
    tab = visitor.tab
    if isinstance(step, list):
        tab.call({"call": step})
    elif "call" in step:
        tab.call(step)
    elif "left" in step:
        for call in step["left"]:
            tab.journalled({"call": call})
        tab.open()
    elif "page" in step:
        tab.open()
    elif "tab" in step:
        visitor.tab = visitor.opened(step["tab"])
    elif "wait" in step:
        visitor.at += step["wait"]
    elif "send" in step:
        same(step["send"], tab.send(), "the request")
    elif "answer" in step:
        tab.answer(step)
    elif "wake" in step:
        wake = tab.tracker.wake_at()
        same(step["wake"], None if wake is None else max(wake - visitor.at, 0), "the time to wake up")
    elif "online" in step:
        tab.tracker.retry_now()
    elif "stored" in step:
        visitor.stored = [new if new is not None else old for new, old in zip(step["stored"], visitor.stored)]
    elif "expect" in step:
        subset(step["expect"], visitor.names(), "the state", names)
    else:
        raise AssertionError(f"no such step: {step}")


# What was expected, compared -------------------------------------------------------------------------------------


def same(expected, found, where, names=None):
    """Hold two values against each other; texts with @ stand for values (``names``: those known so far)."""
    if isinstance(expected, str) and expected[:1] == "@" and names is not None:
        assert found and isinstance(found, str), f"{where}: nothing where {expected} should be"  # noqa: PT018
        if expected == "@":
            return
        if expected not in names:
            twins = [name for name in names if names[name] == found]
            assert not twins, f"{where}: {expected} is the same as {twins[0]}"
            names[expected] = found
        expected = names[expected]
    if isinstance(expected, list) and isinstance(found, list):
        assert len(expected) == len(found), f"{where}: expected {expected}, found {found}"
        for number, inner in enumerate(expected):
            same(inner, found[number], f"{where}[{number}]", names)
    elif isinstance(expected, dict) and isinstance(found, dict):
        assert sorted(expected) == sorted(found), f"{where}: expected {expected}, found {found}"
        subset(expected, found, where, names)
    else:
        assert type(expected) is type(found) or not isinstance(expected, bool), f"{where}: {found!r} is no truth"
        assert expected == found, f"{where}: expected {expected!r}, found {found!r}"


def subset(expected, found, where, names):
    """Hold the named fields of an object against what was found."""
    for name in sorted(expected):
        assert name in found, f"{where} has no {name}: {found}"
        same(expected[name], found[name], f"{where}.{name}", names)


def same_event(expected, found, names):
    """Hold what a case says of an event against the event."""
    where = found["event"]
    for name, value in expected.items():
        if name == "without":
            for bag in (found, found["properties"], found.get("$set", {}), found.get("$set_once", {})):
                present = [name for name in value if name in bag]
                assert not present, f"{where} has {present}"
        elif name in ("properties", "$set", "$set_once"):
            assert name in found, f"{where} has no {name}"
            subset(value, found[name], f"{where}.{name}", names)
        else:
            subset({name: value}, found, where, names)


def compare(case, visitor, names):
    """Hold everything that a case expects at its end against what became of it."""
    wanted = [{"event": each} if isinstance(each, str) else each for each in case.get("events", [])]
    same([each["event"] for each in wanted], [each["event"] for each in visitor.events], "the events")
    for expected, found in zip(wanted, visitor.events):
        same_event(expected, found, names)
    said = case.get("said", [])
    assert len(said) == len(visitor.said), f"said: {visitor.said}"
    for part, text in zip(said, visitor.said):
        assert part in text, f"{part!r} is not in {text!r}"
    same(case.get("unsent", 0), len(visitor.journal), "calls left in the journal")
    same(case.get("repeats", 0), visitor.repeats, "repeats")
    if "state" in case:
        subset(case["state"], visitor.names(), "the state", names)


def run(case):
    """Run a case from its first step to its end."""
    visitor, names = Visitor(case), {}
    for step in case["steps"]:
        taken(visitor, step, names)
    if case.get("flush", True):
        visitor.flush()
    compare(case, visitor, names)


def named(sentence):
    """Give the name of the test function for a case."""
    return "test_" + "".join([each if each in LETTERS else "_" for each in sentence.lower()])


def _made(case):
    def test():
        run(case)

    return test


_here = sys.modules[__name__]
for _case in CASES:
    _name = named(_case["case"])
    assert not hasattr(_here, _name), f"two cases have one name: {_case['case']}"
    setattr(_here, _name, _made(_case))


def test_the_suite_is_not_empty_and_every_name_in_a_case_is_known():
    known = "case browser python facts options stored journal steps flush events said state unsent repeats".split()
    assert len(CASES) >= 150
    for case in CASES:
        assert [name for name in case if name not in known] == [], case["case"]


def test_a_wrong_expectation_is_seen():
    """A runner that cannot fail proves nothing."""
    right = {"case": "", "steps": [["capture", "x", {"n": 1}]], "events": [{"event": "x", "properties": {"n": 1}}]}
    wrong = [
        {"events": []},
        {"events": ["y"]},
        {"events": [{"event": "x", "properties": {"n": 2}}]},
        {"events": [{"event": "x", "properties": {"n": True}}]},
        {"events": [{"event": "x", "without": ["n"]}]},
        {"events": [{"event": "x", "$set": {}}]},
        {"said": ["something"]},
        {"unsent": 1},
        {"repeats": 1},
        {"state": {"identified": True}},
        {"state": {"device": "@a", "distinct_id": "@b"}},
        {"state": {"device": "@a", "session": "@a"}},
    ]
    run(right)
    for change in wrong:
        case = dict(right)
        case.update(change)
        try:
            run(case)
        except AssertionError:
            continue
        raise AssertionError(f"not seen: {change}")
