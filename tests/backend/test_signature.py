"""Signed identities: what the site's backend vouches for."""

from __future__ import annotations

import hashlib
import hmac

from beknown.signature import is_signed, sign, signed_with
from beknown.wire import checked_id

SECRET = "bks_tests_secret"


def test_it_is_an_hmac_that_any_language_can_make() -> None:
    key = hashlib.sha256(SECRET.encode()).digest()
    assert sign("user-é", SECRET) == hmac.new(key, "user-é".encode(), "sha256").hexdigest()
    assert sign("7", SECRET) == sign(7, SECRET) == signed_with("7", key)


def test_blanks_around_an_id_are_no_part_of_it_as_in_every_call_that_takes_one() -> None:
    padded = " ada\n\t "
    assert sign(padded, SECRET) == sign(checked_id(padded), SECRET) == sign("ada", SECRET)
    assert is_signed(padded, sign("ada", SECRET), SECRET)
    assert sign("ada\xa0", SECRET) != sign("a da", SECRET) != sign("ada", SECRET)  # the page keeps these


def test_only_the_same_user_and_the_same_key_fit() -> None:
    good = sign("ada", SECRET)
    assert is_signed("ada", good, SECRET)
    assert not is_signed("bob", good, SECRET)
    assert not is_signed("ada", good, "bks_other")
    for wrong in ("", good[:-1], good.upper(), "é" * 64, "\ud800"):
        assert not is_signed("ada", wrong, SECRET)
