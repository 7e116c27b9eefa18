"""Who a request says it comes from, and how far that is believed."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from beknown.context import REFUSED, Visitor, has_refused, identify_context, visitor, within
from beknown.errors import BadId
from beknown.integrations.visit import cookies_of, headers_of, proof, signature_cookie, visitor_of
from beknown.session import IDLE, MAXIMUM
from beknown.wire import pack_cookie

KEY, SECRET = "bk_tests", "bks_tests_secret"
ANON, SESSION = "01a20ac2-f41d-71cf-917a-c081a3fe8768", "01a20ac2-f41d-71cf-917a-c081a3fe8769"

NOW = 1_800_000_000_000  # ms


def cookie(
    distinct_id: str = ANON, identified: bool = False, *, started: int = NOW, active: int = NOW
) -> dict[str, str]:
    fields = {
        "revision": 3, "device": ANON, "identified": identified, "session": SESSION, "started": started,
        "active": active, "distinct_id": distinct_id,
    }  # fmt: skip
    return {f"bk_{KEY}": quote(pack_cookie(fields), safe="")}


def of(cookies: dict[str, str] | None = None, **headers: str) -> Visitor | None:
    named = {name.replace("_", "-").upper(): value for name, value in headers.items()}
    return visitor_of(cookies or {}, lambda name: named.get(name.upper()), key=KEY, now=NOW, secret_key=SECRET)


def test_the_tags_cookie_says_visitor_session_and_whether_it_is_a_user() -> None:
    assert of(cookie()) == Visitor(ANON, SESSION, ANON, False)
    assert of(cookie("ada@example.com", identified=True)) == Visitor("ada@example.com", SESSION, ANON, True)


def test_a_session_that_is_over_is_not_prolonged_by_a_late_form() -> None:
    assert of(cookie(active=NOW - IDLE)) == Visitor(ANON, SESSION, ANON, False)
    assert of(cookie(active=NOW - IDLE - 1)) == Visitor(ANON, "", ANON, False)
    assert of(cookie(started=NOW - MAXIMUM - 1)) == Visitor(ANON, "", ANON, False)


def test_whoever_has_said_no_is_nobody_and_that_is_known() -> None:
    found = of({f"bk_{KEY}": "denied"}, x_beknown_distinct_id="u")
    assert found is REFUSED
    with within(found):
        assert (visitor(), has_refused()) == (None, True)
    assert (visitor(), has_refused()) == (None, False)


def test_cookies_that_come_in_several_headers_are_read_together() -> None:
    raw = [(b"Cookie", b"a=1; b=2"), (b"x-other", b"first"), (b"X-Other", b"last"), (b"cookie", b'c="3"')]
    assert headers_of(raw) == {"cookie": 'a=1; b=2; c="3"', "x-other": "last"}
    assert cookies_of(headers_of(raw)["cookie"]) == {"a": "1", "b": "2", "c": "3"}


def test_the_tags_headers_are_read_and_posthogs_too() -> None:
    assert of(x_beknown_distinct_id="u", x_beknown_session_id="s") == Visitor("u", "s")
    assert of(x_posthog_distinct_id="u", x_posthog_session_id="s") == Visitor("u", "s")
    assert of(x_posthog_distinct_id="theirs", x_beknown_distinct_id="ours") == Visitor("ours")


def test_a_header_says_whether_it_is_a_user_as_the_cookie_does() -> None:
    assert of(x_beknown_distinct_id="u", x_beknown_identified="true") == Visitor("u", is_identified=True)
    assert of(x_beknown_distinct_id=ANON, x_beknown_identified="false") == Visitor(ANON, is_identified=False)
    assert of(x_beknown_distinct_id="u", x_beknown_identified="perhaps") == Visitor("u", is_identified=None)


def test_headers_go_before_a_cookie_that_nobody_signed() -> None:
    assert of(cookie(), x_beknown_distinct_id="u") == Visitor("u")
    assert of(cookie(), x_beknown_distinct_id=ANON) == of(cookie())


def test_a_signed_cookie_is_verified_and_goes_before_headers() -> None:
    signed = cookie("ada", identified=True) | {proof("ada", KEY, SECRET)["key"]: proof("ada", KEY, SECRET)["value"]}
    found = of(signed, x_beknown_distinct_id="mallory")
    assert found == Visitor("ada", SESSION, ANON, True, is_verified=True)


def test_somebody_elses_signature_verifies_nobody() -> None:
    stolen = cookie("bob", identified=True) | {signature_cookie(KEY): proof("ada", KEY, SECRET)["value"]}
    found = of(stolen)
    assert found is not None
    assert not found.is_verified


def test_without_a_secret_key_nothing_is_verified() -> None:
    signed = cookie("ada") | {signature_cookie(KEY): proof("ada", KEY, "")["value"]}
    found = visitor_of(signed, lambda _: None, key=KEY, now=NOW)
    assert found is not None
    assert not found.is_verified


@pytest.mark.parametrize(
    "text", ["", "junk", "1.x.y", "%00", "1.zz.d.a.s.1.2.id", "1.1.d.a.s.1.2.null", "1.1.d.a.s.1.2." + "x" * 300]
)
def test_a_cookie_that_cannot_be_ours_is_as_good_as_absent(text: str) -> None:
    assert of({f"bk_{KEY}": text}) is None


def test_header_values_are_cleaned_and_junk_is_nobody() -> None:
    assert of(x_beknown_distinct_id=" u\x00\r\n1 ", x_beknown_session_id="s\n1") == Visitor("u1", "s1")
    assert of(x_beknown_distinct_id="undefined") is None
    assert of(x_beknown_distinct_id="u" * 201) is None
    assert of(x_beknown_distinct_id="u", x_beknown_session_id="s" * 101) == Visitor("u")


# A hard blank, an ideographic one, a soft hyphen, a zero-width blank, a joined emoji, a zero-width one in front.
UNPRINTABLE = ["ada\u00a0l", "用户\u3000一", "ab\u00adcd", "x\u200by", "\U0001f468\u200d\U0001f469", "\u200bx"]


@pytest.mark.parametrize("id", UNPRINTABLE)
def test_an_id_is_the_one_that_the_tag_says_whatever_can_be_printed_of_it(id: str) -> None:
    signed = cookie(id, identified=True) | {proof(id, KEY, SECRET)["key"]: proof(id, KEY, SECRET)["value"]}
    assert of(signed) == Visitor(id, SESSION, ANON, True, is_verified=True)
    assert of(x_beknown_distinct_id=id) == Visitor(id)


def test_inner_contexts_replace_outer_ones_and_end() -> None:
    with identify_context("outer", session_id="s"):
        with identify_context("inner"):
            assert visitor() == Visitor("inner")
        assert visitor() == Visitor("outer", "s")
        with within(None):
            assert visitor() is None
    assert visitor() is None


def test_a_context_for_nobody_is_refused() -> None:
    with pytest.raises(BadId), identify_context("null"):
        raise AssertionError("the block must not run")


def test_an_anonymous_visitors_events_make_no_person_profile() -> None:
    assert Visitor("a", is_identified=False).marks() == {"$process_person_profile": False}
    assert Visitor("a", is_identified=False).marks(about_person=True) == {}
    assert Visitor("a", "s", "d", True).marks() == {"$session_id": "s", "$device_id": "d"}
