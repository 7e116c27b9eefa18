"""Who the visitor was, call by call."""

from beknown import ids, past
from beknown.identity import Identity

START = 1795473649157
FIRST = past.entry("", Identity("d", "anonymous"))


def call(seconds):
    return ids.uuid7(START + seconds * 1000, bytes(10))


def now(seconds):
    return START + seconds * 1000


def named(seconds, user):
    return past.entry(call(seconds), Identity("d", user, True))


def users(kept):
    return [each[2] for each in kept]


def test_a_call_is_late_if_the_visitor_has_become_somebody_since():
    assert past.is_late([FIRST, named(10, "ada")], call(5), now(60))
    assert not past.is_late([FIRST, named(10, "ada")], call(15), now(60))
    assert not past.is_late([], call(5), now(60))


def test_no_call_is_late_because_a_clock_was_set_back():
    assert not past.is_late([FIRST, named(3600, "ada")], call(5), now(6))


def test_a_late_call_finds_who_the_visitor_was():
    known = [FIRST, named(10, "ada"), named(20, "bob")]
    for at, user in ((5, "anonymous"), (15, "ada"), (25, "bob")):
        assert past.was(known, call(at)).distinct_id == user
    assert past.was(known[1:], call(5)).distinct_id == "ada", "the oldest stands for all before it"


def test_the_call_that_changed_it_finds_who_the_visitor_was_before():
    assert past.was([FIRST, named(10, "ada")], call(10)).distinct_id == "anonymous"


def test_two_tabs_histories_are_one():
    ours, theirs = [FIRST, named(10, "ada")], [FIRST, named(5, "bob")]
    assert users(past.joined(ours, theirs)) == ["anonymous", "bob", "ada"]
    assert past.joined(ours, theirs) == past.joined(theirs, ours)
    assert users(past.joined(ours, [named(10, "bob")])) == ["anonymous", "bob"], "about one call theirs is right"


def test_of_a_long_past_the_newest_is_remembered():
    long = past.joined([], [named(seconds, str(seconds)) for seconds in range(past.MOST + 5)])
    assert len(long) == past.MOST
    assert long[-1][2] == str(past.MOST + 4)


def test_a_past_that_the_cookie_has_overtaken_holds_until_then():
    known = past.overtaken([FIRST, named(10, "ada")], Identity("d", "bob", True), now(20))
    assert users(known) == ["anonymous", "ada", "bob"]
    assert past.was(known, call(15)).distinct_id == "ada"
    known = past.overtaken([FIRST, named(10, "ada")], Identity("d", "bob", True), now(5))
    assert users(known) == ["anonymous", "bob"]


def busy_after(known):
    last = past.ids.time_of(known[-1][0])
    return [past.entry(ids.uuid7(last + 3600000 + each, bytes(10)), Identity("d", "x")) for each in range(20)]


def test_what_is_long_ago_is_stored_in_part_only():
    daily = [FIRST] + [named(86400 * day, str(day)) for day in range(40)]
    assert past.kept(daily) == daily[-past.KEPT :]
    busy = [FIRST] + [named(10 * each, str(each)) for each in range(40)]
    assert past.kept(busy) == busy
    assert past.kept(daily + busy_after(daily)) == daily[-1:] + busy_after(daily)
    assert past.kept([]) == []


def test_strangers_share_no_past():
    ours = [FIRST, named(10, "ada")]
    assert past.is_shared(ours, [], "ada")
    assert past.is_shared(ours, [FIRST, named(20, "bob")], "bob")
    assert not past.is_shared(ours, [named(20, "bob")], "bob")


def test_what_is_damaged_is_not_there():
    good = named(10, "ada")
    damaged = [None, [], good, ["x", "d", "ada", True], [call(1), "d", "ada", 1], [call(1), "d", None, True], {}]
    assert past.whole(damaged) == [good]
    assert past.whole("ada") == past.whole(None) == []
