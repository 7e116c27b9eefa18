"""What an answer means, and how long to wait."""

from beknown import retry


def test_a_success_of_any_kind_means_that_the_server_has_them():
    for status in (200, 201, 202, 204):
        assert retry.verdict(status) == retry.SENT


def test_what_may_pass_is_tried_again():
    for status in (0, 408, 425, 429, 500, 502, 503, 504):
        assert retry.verdict(status) == retry.WAIT


def test_a_wrong_key_or_address_stops():
    for status in (101, 301, 302, 307, 401, 402, 403, 404, 405, 407, 410, 421, 451):
        assert retry.verdict(status) == retry.STOP


def test_anything_else_is_about_the_events():
    for status in (400, 406, 411, 413, 415, 422, 431):
        assert retry.verdict(status) == retry.DROP


def test_waits_double_stay_within_a_quarter_and_are_capped():
    assert [retry.wait(tries, 0.5) for tries in (1, 2, 3)] == [2000, 4000, 8000]
    assert retry.wait(1, 0) == 1500
    assert retry.wait(1, 0.999) < 2500
    assert retry.wait(1000, 0.5) == retry.LONGEST_WAIT


def test_the_servers_own_wish_is_a_floor_within_reason():
    assert retry.wait(1, 0.5, 7000) == 7000
    assert retry.wait(1, 0.5, 1) == 2000
    assert retry.wait(1, 0.5, 10**9) == retry.LONGEST_WAIT


def test_a_page_that_is_never_answered_gives_up_soon_and_an_ailing_server_is_waited_for():
    assert not retry.gives_up(retry.QUIET_TRIES - 1, False)
    assert retry.gives_up(retry.QUIET_TRIES, False)
    assert not retry.gives_up(50, True)
