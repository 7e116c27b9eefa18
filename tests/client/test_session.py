"""When a visit ends."""

from beknown import ids
from beknown.session import IDLE, MAXIMUM, Session, is_over, touched

CALL = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
NONE = Session("", 0, 0)


def test_the_first_call_begins_a_session_whose_id_carries_the_calls_time():
    session = touched(NONE, 5000, CALL)
    assert ids.is_uuid(session.id)
    assert ids.time_of(session.id) == ids.time_of(CALL)
    assert (session.started, session.active) == (5000, 5000)


def test_it_goes_on_for_exactly_half_an_hour_of_silence():
    session = touched(NONE, 5000, CALL)
    assert touched(session, 5000 + IDLE, CALL).id == session.id
    assert is_over(session, 5000 + IDLE + 1)


def test_it_ends_a_day_after_it_began_however_busy():
    assert not is_over(Session("s", 1000, 1000 + MAXIMUM), 1000 + MAXIMUM)
    assert is_over(Session("s", 1000, 1000 + MAXIMUM), 1001 + MAXIMUM)


def test_a_clock_set_back_by_more_than_a_day_begins_a_new_one():
    assert is_over(Session("s", 2 * MAXIMUM, 2 * MAXIMUM), 1)


def test_a_late_call_does_not_turn_back_the_time_of_the_last_activity():
    session = Session("s", 1000, 9000)
    assert touched(session, 8000, CALL).active == 9000
