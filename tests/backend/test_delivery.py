"""When what is sent, and what an answer does to the queue. Pure: the clock is a number."""

from __future__ import annotations

from beknown import retry
from beknown.delivery import Delivery


def queue(count: int = 0, *, room: int = 1000, room_bytes: int = 10_000, batch: int = 4) -> Delivery:
    delivery = Delivery(room=room, room_bytes=room_bytes, batch=batch, linger=1000, first_wait=100)
    for number in range(count):
        delivery.add(f"e{number}", f'"{number}"')
    return delivery


def answered(delivery: Delivery, status: int, now: float, retry_after: float = 0) -> tuple[str, list[str]]:
    return delivery.answered(status, now, chance=0.5, retry_after=retry_after)


def test_the_first_event_leaves_at_once_and_what_follows_gathers() -> None:
    delivery = queue(1)
    assert delivery.request(0) == ['"0"']
    answered(delivery, 200, 10)
    delivery.add("next", "1")
    assert delivery.request(10) is None
    assert delivery.wake_at() == 1000
    assert delivery.request(1000) == ["1"]


def test_a_full_request_does_not_wait_for_more() -> None:
    delivery = queue(1)
    delivery.request(0)
    answered(delivery, 200, 1)
    for number in range(4):
        delivery.add(f"more{number}", "1")
    assert delivery.request(1) == ["1"] * 4


def test_only_one_request_is_under_way() -> None:
    delivery = queue(9)
    assert delivery.request(0) is not None
    assert delivery.request(0) is None
    assert delivery.wake_at() is None


def test_events_leave_the_queue_only_with_the_answer() -> None:
    delivery = queue(2)
    delivery.request(0)
    assert len(delivery) == 2
    assert answered(delivery, 200, 1) == (retry.SENT, ['"0"', '"1"'])
    assert (len(delivery), delivery.bytes, delivery.settled) == (0, 0, 2)


def test_after_a_failure_the_same_events_go_again_later_and_later() -> None:
    delivery = queue(2)
    first = delivery.request(0)
    assert answered(delivery, 500, 0) == (retry.WAIT, [])
    assert delivery.wake_at() == 100
    assert delivery.request(99) is None
    assert delivery.request(100) == first
    answered(delivery, 0, 100)
    assert delivery.wake_at() == 300


def test_a_queue_that_is_cleared_and_filled_again_has_kept_its_patience() -> None:
    delivery = queue(3)
    delivery.request(0)
    answered(delivery, 500, 0)
    delivery.clear()
    assert (len(delivery), delivery.bytes, delivery.taken, delivery.wake_at()) == (0, 0, 0, None)
    delivery.add("e2", '"2"')
    assert delivery.request(99) is None
    assert delivery.request(100) == ['"2"']
    answered(delivery, 500, 100)
    assert delivery.wake_at() == 300


def test_the_collectors_own_wish_is_kept_even_by_flush() -> None:
    delivery = queue(1)
    delivery.request(0)
    answered(delivery, 429, 0, retry_after=5000)
    delivery.hurry()
    assert delivery.request(4999) is None
    assert delivery.request(5000) is not None


def test_flush_does_not_wait_out_our_own_patience() -> None:
    delivery = queue(1)
    delivery.request(0)
    answered(delivery, 500, 0)
    delivery.hurry()
    assert delivery.request(1) is not None


def test_flush_gathers_nothing_until_all_of_it_is_delivered() -> None:
    delivery = queue(6)
    delivery.hurry()
    assert len(delivery.request(0) or []) == 4
    answered(delivery, 200, 0)
    assert len(delivery.request(0) or []) == 2


def test_a_wrong_key_is_waited_for_because_it_may_be_mended() -> None:
    delivery = queue(1)
    delivery.request(0)
    assert answered(delivery, 401, 0) == (retry.STOP, [])
    assert delivery.is_refused
    assert delivery.wake_at() == retry.LONGEST_WAIT
    delivery.hurry()
    assert not delivery.is_refused


def test_one_unusable_event_costs_itself_alone() -> None:
    delivery = queue(4)
    delivered: list[str] = []
    dropped: list[str] = []
    for now in range(20):
        texts = delivery.request(now * 1000)
        if texts is None:
            break
        what, gone = answered(delivery, 400 if '"2"' in texts else 200, now * 1000)
        (dropped if what == retry.DROP else delivered).extend(gone)
    assert dropped == ['"2"']
    assert sorted(delivered) == ['"0"', '"1"', '"3"']
    assert len(delivery) == 0


def test_a_request_that_is_too_large_is_halved_and_grows_again() -> None:
    delivery = queue(8)
    assert len(delivery.request(0) or []) == 4
    assert answered(delivery, 413, 0)[0] == retry.SPLIT
    assert len(delivery.request(0) or []) == 2
    answered(delivery, 200, 0)
    assert len(delivery.request(0) or []) == 4


def test_a_full_queue_says_so_by_number_and_by_size() -> None:
    assert queue(2, room=2).is_full()
    assert not queue(1, room=2).is_full()
    assert queue(2, room_bytes=8).is_full(3)
    assert not queue(2, room_bytes=9).is_full(3)


def test_an_event_that_waits_already_is_counted_once() -> None:
    delivery = queue(2)
    delivery.add("e1", '"1"')
    assert (len(delivery), delivery.taken, delivery.bytes) == (2, 2, 6)


def test_nothing_taken_is_ever_dropped_for_room() -> None:
    delivery = queue(10, room=5)  # as when a spool held more than the queue may now
    assert len(delivery.waiting()) == 10
