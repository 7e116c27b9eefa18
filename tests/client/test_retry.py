"""What an answer means, and how long to wait."""

from beknown import retry


def test_only_exactly_200_means_that_the_server_has_them():
    assert retry.verdict(200) == retry.SENT
    assert retry.verdict(204) == retry.DROP


def test_what_may_pass_is_tried_again():
    for status in (0, 408, 429, 500, 502, 503, 504):
        assert retry.verdict(status) == retry.WAIT


def test_a_wrong_key_or_address_stops_and_a_large_body_is_split():
    assert [retry.verdict(status) for status in (401, 403, 404)] == [retry.STOP] * 3
    assert retry.verdict(413) == retry.SPLIT
    assert retry.verdict(400) == retry.DROP


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
