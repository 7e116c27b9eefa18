"""Oldest first, and gone only when the server has them."""

from beknown import outbox, retry
from beknown.outbox import Outbox


def filled(count):
    box = Outbox()
    for number in range(count):
        box.add(f"c{number}", [f'"{number}"'])
    return box


def test_the_oldest_calls_come_first_and_stay_until_removed():
    box = filled(3)
    assert [call for call, _ in box.head(2, 1000)] == ["c0", "c1"]
    assert len(box) == 3
    assert box.remove(0, 2) == ["c0", "c1"]
    assert [call for call, _ in box.head(9, 1000)] == ["c2"]


def test_a_call_that_waits_already_is_not_queued_twice():
    box = filled(1)
    box.add("c0", ['"again"'])
    assert box.head(9, 1000) == [("c0", ['"0"'])]
    box.remove(0, 1)
    box.add("c0", ['"later"'])
    assert len(box) == 1


def test_a_request_is_bounded_in_events_and_in_bytes_not_characters():
    assert len(filled(5).head(9, 8)) == 2
    box = Outbox()
    box.add("a", ['"é"'])
    box.add("b", ['"é"'])
    assert len(box.head(9, 10)) == 2
    assert len(box.head(9, 9)) == 1


def test_one_call_too_large_for_any_request_still_goes():
    box = Outbox()
    box.add("big", ["x" * 100])
    assert len(box.head(1, 10)) == 1


def test_the_events_of_one_call_are_never_parted():
    box = Outbox()
    box.add("a", ["1"])
    box.add("b", ["2", "3"])
    assert [call for call, _ in box.head(2, 1000)] == ["a"]


def test_beyond_the_limit_the_oldest_go():
    box = filled(outbox.MAX_CALLS)
    assert box.add("new", ["1"]) == ["c0"]
    assert len(box) == outbox.MAX_CALLS


def test_beyond_the_limit_what_is_on_its_way_stays_and_its_answer_is_for_no_other():
    box = Outbox(4, batch=2)
    for number in range(4):
        box.add(f"c{number}", ["1"])
    assert [call for call, _ in box.request(0)] == ["c0", "c1"]
    assert box.add("c4", ["1"]) == ["c2"]
    assert box.answered(200, 1, chance=0) == ("sent", ["c0", "c1"])
    assert [call for call, _ in box.request(1)] == ["c3", "c4"]


def answered(box, status, now=0):
    """Send what is due and take an answer to it."""
    assert box.request(now)
    return box.answered(status, now, chance=0.5)


def test_whatever_refuses_a_request_it_is_halved_before_anything_is_dropped():
    for status in (400, 413, 415, 422):
        box = filled(4)
        assert [answered(box, status)[0] for _ in range(2)] == ["split", "split"]
        assert answered(box, status) == ("drop", ["c0"])
        assert answered(box, 200) == ("sent", ["c1", "c2"])


def test_whoever_refuses_everything_is_no_collector_and_keeps_waiting_what_is_left():
    box = filled(40)
    said = []
    while "stop" not in said:
        said.append(answered(box, 400)[0])
    assert said.count("drop") == 3
    assert len(box) == 37
    assert box.wake_at() == retry.LONGEST_WAIT
    assert answered(box, 200, retry.LONGEST_WAIT)[1] == ["c3"]


def test_events_that_are_unusable_among_others_do_not_stop_them():
    box = filled(40)
    said = []
    while len(box):
        bad = any(int(call[1:]) % 3 for call, _ in box.request(0))
        said.append(box.answered(400 if bad else 200, 0, chance=0.5)[0])
    assert "stop" not in said
    assert said.count("sent") == 14
