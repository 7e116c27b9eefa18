"""The table of identity.md, "On the device", row by row."""

from beknown import identity
from beknown.errors import BadId
from beknown.identity import Identity

CALL = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"


def test_an_anonymous_visitor_who_is_identified_claims_the_anonymous_id():
    after, how, link = identity.identify(Identity("d", "anon"), "ada", CALL)
    assert how == "claim"
    assert link == {"$anon_distinct_id": "anon"}
    assert (after.device, after.distinct_id, after.identified) == ("d", "ada", True)


def test_the_visitors_own_anonymous_id_is_refused_so_that_the_claim_is_not_used_up():
    before = Identity("d", "anon")
    try:
        identity.identify(before, "anon", CALL)
    except BadId as refusal:
        assert "anonymous id" in str(refusal)
    else:
        raise AssertionError("identify(own anonymous id) was accepted")
    assert identity.identify(before, "ada", CALL)[1] == "claim"


def test_the_same_user_again_changes_nothing():
    before = Identity("d", "ada", True)
    after, how, link = identity.identify(before, "ada", CALL)
    assert (after, how, link) == (before, "repeat", {})


def test_another_user_without_a_reset_gets_a_device_of_their_own_and_no_claim():
    after, how, link = identity.identify(Identity("d", "ada", True), "bob", CALL)
    assert how == "switch"
    assert link == {"$previous_user": "switched"}
    assert after.distinct_id == "bob"
    assert after.device not in ("d", "ada", "bob")


def test_reset_keeps_the_device_and_makes_a_new_visitor():
    after = identity.reset(Identity("d", "ada", True), CALL)
    assert after.device == "d"
    assert after.distinct_id not in ("ada", "d")
    assert not after.identified


def test_reset_of_the_device_makes_one_new_id_for_both():
    after = identity.reset(Identity("d", "ada", True), CALL, device=True)
    assert after.device == after.distinct_id != "d"


def test_the_same_reset_call_makes_the_same_id_wherever_it_is_run():
    again = [identity.reset(Identity("d", "ada", True), CALL).distinct_id for _ in range(2)]
    assert again[0] == again[1]
