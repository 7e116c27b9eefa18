"""What posthog-js left is taken over once, and only if it is sound."""

import json

from beknown.inherited import inherited

SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
DEVICE = "0199e1a0-0000-7000-8000-000000000001"


def text(**kept):
    return json.dumps(dict({"distinct_id": "ada", "$device_id": DEVICE, "$user_state": "identified"}, **kept))


def test_both_ids_and_the_state_are_kept():
    found = inherited(text(), SEED)
    assert (found.distinct_id, found.device, found.identified) == ("ada", DEVICE, True)
    found = inherited(text(distinct_id=DEVICE, **{"$user_state": "anonymous"}), SEED)
    assert (found.distinct_id, found.device, found.identified) == (DEVICE, DEVICE, False)


def test_a_device_id_that_cannot_be_ours_is_replaced():
    for odd in (None, "", "a.b", 5, "null", "x" * 201):
        assert inherited(text(**{"$device_id": odd}), SEED).device == SEED
    anonymous = inherited(text(distinct_id=DEVICE, **{"$device_id": None, "$user_state": "anonymous"}), SEED)
    assert anonymous.device == DEVICE


def test_what_is_damaged_or_nobodys_is_as_good_as_not_there():
    for damaged in (None, "", "{", "[]", "5", '"x"', "{}", text(distinct_id=""), text(distinct_id="null"), 7):
        assert inherited(damaged, SEED) is None
