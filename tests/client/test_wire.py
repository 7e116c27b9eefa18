"""The contract: ids that are nobody's, the cookie, ISO times."""

import json

from beknown import wire
from beknown.errors import BadId, BadState

FIELDS = {
    "asked": False,
    "revision": 17,
    "device": "01a20a91-ae05-7e94-aea9-36f6d0ff238a",
    "identified": True,
    "session": "01a20a91-ae05-7c98-8084-dd20ec1765a8",
    "started": 1795473649157,
    "active": 1795473650000,
    "distinct_id": "ada.lovelace@example.com",
}


def refused(value):
    try:
        wire.checked_id(value)
    except BadId as refusal:
        return str(refusal)
    raise AssertionError("accepted: " + repr(value))


def test_every_spelling_of_every_placeholder_is_refused():
    for junk in wire.JUNK_IDS:
        for spelling in (
            junk,
            junk.upper(),
            junk[0].upper() + junk[1:],
            f" {junk} ",
            f'"{junk}"',
            f"'{junk}'",
            f'" {junk} "',
        ):
            assert "merge strangers" in refused(spelling)


def test_blanks_zeros_dashes_and_printed_objects_are_refused():
    printed = ("[object Object]", "[object Window]", "<JsProxy 5>", "<User object at 0x7f>", "<function f>")
    for junk in ("", " ", "\t\n", '""', "0", "000", "-", "--", "00000000-0000-0000-0000-000000000000") + printed:
        refused(junk)


def test_every_blank_of_pythons_and_javascripts_is_one():
    blanks = [0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F]
    for blank in [chr(point) for point in blanks + [0x205F, 0x3000, 0xFEFF] + list(range(0x2000, 0x200B))]:
        for junk in (blank, blank + blank, blank + "null", "NULL" + blank, blank + "'" + blank + "none" + blank + "'"):
            assert "merge strangers" in refused(junk)
        assert wire.checked_id(blank + "ada" + blank) == "ada"


def test_a_letter_that_is_written_with_a_blanks_bytes_is_none():
    for good in ("voilà", "‚ada‚", "Ġa…", "。", "àà", "ﻀ", "、"):
        assert wire.checked_id("\u00a0" + good + "\u2003") == good


def test_what_a_rounded_number_prints_is_refused():
    for junk in ("1e+21", "1E+21", "1.2345678901234568e+20", "-1.5e+16", "9007199254740992.0", "'1e+400'"):
        assert "merge strangers" in refused(junk)
    for good in ("1e21", "1e+5", "12.0", "9007199254740991.0", "9007199254740993", "a1e+21", "me+1@a.example", "x.0"):
        assert wire.checked_id(good) == good


def test_what_is_not_text_is_refused_and_whole_numbers_become_text():
    for junk in (None, True, False, 1.5, [], {}, ["ada"]):
        refused(junk)
    assert wire.checked_id(42) == "42"
    refused(0)


def test_too_long_ids_and_zero_bytes_are_refused():
    refused("x" * (wire.MAX_ID + 1))
    for letter in ("\0", "\n", "\r", "\t", "\x1b"):
        refused("a" + letter + "b")
    assert wire.checked_id("x" * wire.MAX_ID) == "x" * wire.MAX_ID


def test_real_ids_pass_trimmed():
    for good in (
        "ada@example.com",
        "user-456",
        "7",
        "10",
        "-15",
        "Nancy",
        "None of your business",
        "ünïcode",
        "a.b.c",
    ):
        assert wire.checked_id(" " + good + " ") == good


def test_the_cookie_reads_back_what_was_packed():
    for asked in (False, True):
        fields = dict(FIELDS, asked=asked)
        assert wire.unpack_cookie(wire.pack_cookie(fields)) == fields


def test_an_id_with_dots_survives_the_cookie():
    fields = dict(FIELDS)
    fields["distinct_id"] = "1.2..3."
    assert wire.unpack_cookie(wire.pack_cookie(fields))["distinct_id"] == "1.2..3."


def test_the_cookie_is_small():
    assert len(wire.pack_cookie(FIELDS)) < 160


def test_damaged_cookies_are_told_apart():
    good = wire.pack_cookie(FIELDS)
    for damaged in (
        "",
        "x",
        "2" + good[1:],
        good.replace(".11.", ".zz."),
        "1.0..a...",
        "1.0.d.x.s.0.0.id",
        '{"distinct_id": "a"}',
    ):
        try:
            wire.unpack_cookie(damaged)
        except BadState:
            continue
        raise AssertionError("accepted: " + damaged)


def test_times_are_iso_8601_in_utc_with_milliseconds():
    assert wire.iso(0) == "1970-01-01T00:00:00.000Z"
    assert wire.iso(951782400000) == "2000-02-29T00:00:00.000Z"
    assert wire.iso(1795473649157.9) == "2026-11-23T22:40:49.157Z"
    assert wire.iso(4107542399999) == "2100-02-28T23:59:59.999Z"


def test_a_batch_is_what_posthogs_wire_calls_one():
    body = wire.body('bk_"key', ['{"event": "a"}', "[]"], wire.iso(0))
    assert json.loads(body) == {
        "api_key": 'bk_"key',
        "batch": [{"event": "a"}, []],
        "sent_at": "1970-01-01T00:00:00.000Z",
    }


def test_blanks_around_an_id_do_not_count_towards_its_length():
    assert wire.checked_id(" " + "a" * wire.MAX_ID + "  ") == "a" * wire.MAX_ID
