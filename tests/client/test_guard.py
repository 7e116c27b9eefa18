"""The runaway guard's bucket."""

from beknown import guard


def drawn(times, bucket, step=0):
    allowed = 0
    for _ in range(times):
        bucket, may = guard.draw(bucket, bucket[1] + step)
        allowed += may
    return bucket, allowed


def test_a_burst_is_allowed_and_no_more():
    assert drawn(guard.BURST + 50, guard.full(0))[1] == guard.BURST


def test_a_steady_rate_is_allowed_for_ever():
    assert drawn(1000, guard.full(0), step=1000 // guard.RATE)[1] == 1000


def test_refusals_are_counted_until_the_bucket_is_full_again():
    bucket, _ = drawn(guard.BURST + 5, guard.full(0))
    assert bucket[2] == 5
    bucket, may = guard.draw(bucket, 500)
    assert (may, bucket[2]) == (True, 5)
    bucket, may = guard.draw(bucket, 10**6)
    assert (may, bucket[2]) == (True, 0)


def test_a_clock_set_back_gives_nothing_for_free():
    bucket, _ = drawn(guard.BURST, guard.full(5000))
    assert guard.draw(bucket, 0)[1] is False
