"""What comes over the wire, in every form that SDKs send, and what is refused before it costs anything."""

from __future__ import annotations

import base64
import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from beknown_server.errors import Refusal, TooLarge, Unauthorized, Unusable
from beknown_server.payload import MAX_COMMAS, MAX_CONTAINERS, MAX_EVENTS, delivery, unwrapped

EVENT = {"event": "x", "distinct_id": "ada", "properties": {"emoji": "🦉", "plus": "a+b/c=="}}
TEXT = json.dumps(EVENT).encode()
FORM = "application/x-www-form-urlencoded"


def read(body: bytes = b"", *, kind: str = "", query: dict[str, str] | None = None, **more: Any) -> Any:
    return unwrapped(body, content_type=kind, query=query or {}, **{"limit": 1 << 20, "legacy": True, **more})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(TEXT, id="json"),
        pytest.param(gzip.compress(TEXT, mtime=0), id="gzip"),
        pytest.param(base64.b64encode(TEXT), id="base64"),
        pytest.param(base64.b64encode(gzip.compress(TEXT, mtime=0)), id="gzip in base64"),
        pytest.param(gzip.compress(base64.b64encode(TEXT), mtime=0), id="base64 in gzip"),
    ],
)
@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "application/octet-stream"])
def test_it_reads_a_body_by_what_it_is_not_by_what_it_is_called(body: bytes, kind: str) -> None:
    assert read(body, kind=kind) == EVENT


@pytest.mark.parametrize("data", [quote(TEXT), quote(base64.b64encode(TEXT)), base64.b64encode(TEXT).decode()])
def test_it_reads_forms_with_and_without_escapes(data: str) -> None:
    assert read(f"data={data}&compression=base64".encode(), kind=FORM + "; charset=UTF-8") == EVENT


def test_it_reads_the_data_parameter_of_an_address() -> None:
    assert read(query={"data": base64.b64encode(TEXT).decode()}) == EVENT


def test_a_plus_sign_that_became_a_blank_is_mended() -> None:
    text = json.dumps({**EVENT, "properties": {"text": "~~~???>>>"}}).encode()
    data = base64.b64encode(text).decode()
    assert "+" in data
    assert read(query={"data": data.replace("+", " ")}) == json.loads(text)
    assert read(f"data={data}".encode(), kind=FORM) == json.loads(text)


# LZString.compressToBase64('{"event":"x","distinct_id":"ada"}')
LZ64 = "N4IgpgbmB2AuIC4QA8QBoQBMCWBnW20AxrAPraaIgCGm1IAvkA=="
READ = {"event": "x", "distinct_id": "ada"}


@pytest.mark.parametrize("word", ["lz64", "lz-string", " LZ64 "])
def test_lz_string_is_read_where_it_is_announced(word: str) -> None:
    assert read(LZ64.encode(), query={"compression": word}) == READ
    assert read(f"data={quote(LZ64)}&compression={quote(word)}".encode(), kind=FORM) == READ
    assert read(LZ64.encode(), encoding=word) == READ
    assert read(query={"data": LZ64, "compression": word}) == READ


def test_the_address_announces_before_the_form_and_the_form_before_the_header() -> None:
    form = f"data={quote(LZ64)}&compression=lz64".encode()
    assert read(form, kind=FORM, encoding="base64") == READ
    with pytest.raises(Unusable):
        read(form, kind=FORM, query={"compression": "base64"})


@pytest.mark.parametrize("word", ["gzip", "gzip-js", "base64", "b64", "lz64", "lz-string", "br", "rot13", ""])
@pytest.mark.parametrize("body", [TEXT, gzip.compress(TEXT, mtime=0)])
def test_a_wrong_announcement_is_ignored(word: str, body: bytes) -> None:
    assert read(body, query={"compression": word}) == EVENT
    assert read(body, encoding=word) == EVENT


def test_it_reads_json_that_curl_calls_a_form() -> None:
    assert read(TEXT, kind=FORM) == EVENT


def test_only_old_routes_unwrap_base64_inside_gzip() -> None:
    with pytest.raises(Unusable, match="not JSON"):
        read(gzip.compress(base64.b64encode(TEXT), mtime=0), legacy=False)


def test_it_mends_half_emojis_nan_and_huge_numbers() -> None:
    assert read(rb'{"cut": "ok \ud83e", "nan": NaN}') == {"cut": "ok \ufffd", "nan": None}
    assert read(b'{"n": NaN, "far": 1e999}') == {"n": None, "far": None}


@pytest.mark.parametrize(
    "number",
    ["123456789012345678901", "-123456789012345678901", "18446744073709551616", "-9223372036854775809", "1e20"],
)
def test_a_huge_number_is_read_alike_whatever_stands_beside_it(number: str) -> None:
    for beside in ("null", "NaN", r'"\ud83e"'):
        assert read(f"[{number}, {beside}]".encode())[0] == float(number)
    assert read(b"[18446744073709551615, -9223372036854775808, NaN]")[:2] == [2**64 - 1, -(2**63)]


def test_a_number_beyond_all_is_none_beside_what_is_mended() -> None:
    assert read(b"[" + b"9" * 400 + b", NaN]") == [None, None]


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"", "", "empty"),
        (b"  ", "", "empty"),
        (b"hello", "", "not_json"),
        (b"{", "", "not_json"),
        (b'"\\ud83e', "", "not_json"),
        (b"a=b", FORM, "bad_form"),
        (b"\xff\xfe", FORM, "bad_form"),
        (gzip.compress(TEXT, mtime=0)[:-9], "", "bad_gzip"),
        (b"\x1f\x8b\x08" + b"\xff" * 40, "", "bad_gzip"),
        (b"data=", FORM, "empty"),
        (b"", FORM, "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason_and_advice(body: bytes, kind: str, code: str) -> None:
    with pytest.raises(Unusable) as refused:
        read(body, kind=kind)
    assert refused.value.code == code
    assert refused.value.fix


def test_a_damaged_lz_string_is_refused_with_a_reason_and_advice() -> None:
    with pytest.raises(Unusable, match="damaged: it ends too early") as refused:
        read(LZ64[:-8].encode(), query={"compression": "lz64"})
    assert (refused.value.code, refused.value.fix) == ("bad_lz64", "Update posthog-js: it uses gzip now.")


def test_more_values_than_a_request_may_hold_are_refused() -> None:
    with pytest.raises(TooLarge, match="over 2000000 values"):
        read(b"[" + b"0," * MAX_COMMAS + b"0,0]", limit=12 << 20)


def test_more_events_than_a_request_may_hold_are_refused() -> None:
    assert len(delivery([0] * MAX_EVENTS, query={}).events) == MAX_EVENTS
    with pytest.raises(TooLarge, match="over 50000 events"):
        delivery([0] * (MAX_EVENTS + 1), query={})


def test_a_gzip_bomb_is_refused_in_little_memory() -> None:
    bomb = gzip.compress(b"[" + b" " * (1 << 26))  # 64 MiB from 65 kB
    tracemalloc.start()
    with pytest.raises(TooLarge):
        read(bomb, limit=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


BOMBS = {
    "lists": b"[" * (12 << 20),
    "objects": b'{"a":' * (2 << 20),
    "as deep as may be counted": b"[" * (MAX_CONTAINERS - 1),
    "closed again": b"[" * 200_000 + b"]" * 200_000,
    "for the second parser": b'[NaN,"\\ud800",' * 60_000,
    "a list of empty objects": b"[" + b"{}," * MAX_CONTAINERS + b"{}]",
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_nesting_bombs_are_refused_within_50_ms_and_16_mib(name: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(BOMBS[name])

    def refuse() -> float:
        begun = time.thread_time()  # other programs on the machine do not count
        with pytest.raises(Refusal) as refused:
            read(bomb, limit=12 << 20)
        assert refused.value.code in ("not_json", "too_nested", "inflated_too_large")
        return time.thread_time() - begun

    tracemalloc.start()
    refuse()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert min(refuse() for _ in range(3)) < 0.05


def test_a_list_of_millions_of_empty_objects_is_refused_before_it_is_built() -> None:
    with pytest.raises(TooLarge, match="objects and lists"):
        read(b"[" + b"{}," * MAX_CONTAINERS + b"{}]", limit=1 << 24)


def test_one_event_a_list_and_a_batch_are_the_same() -> None:
    for document in (EVENT, [EVENT], {"batch": [EVENT]}):
        assert delivery(document, query={}).events == [EVENT]


@pytest.mark.parametrize("document", [1, "x", None, {"batch": 1}, {"batch": "x"}])
def test_json_that_holds_no_events_is_refused(document: Any) -> None:
    with pytest.raises(Unusable, match="holds no events"):
        delivery(document, query={})


def test_an_empty_batch_is_refused() -> None:
    for document in ([], {"batch": []}):
        with pytest.raises(Unusable, match="batch"):
            delivery(document, query={})


@pytest.mark.parametrize(
    "document",
    [
        {"api_key": " k ", "batch": [EVENT]},
        {"token": "k", "batch": [EVENT]},
        {"$token": "k", "event": "x"},
        [{"token": "k"}, {"properties": {"token": "k"}}],
        {"api_key": "k", "batch": [{"properties": {"token": "other"}}]},
    ],
)
def test_the_key_is_found_wherever_sdks_put_it(document: Any) -> None:
    assert delivery(document, query={}).key == "k"


def test_several_keys_in_one_request_are_refused() -> None:
    with pytest.raises(Unauthorized, match="several"):
        delivery([{"token": "a"}, {"token": "b"}], query={})


def test_no_key_is_none() -> None:
    assert delivery(EVENT, query={}).key is None


@pytest.mark.parametrize(
    ("document", "query", "sent_at"),
    [
        ({"batch": [EVENT], "sent_at": "2026-11-23T22:00:00.500Z"}, {}, 1_795_471_200_500),
        ([EVENT], {"_": "1795471200500"}, 1_795_471_200_500),
        ([EVENT], {"_": "1"}, None),
        ([EVENT], {}, None),
    ],
)
def test_the_senders_clock_comes_from_body_or_address(document: Any, query: dict[str, str], sent_at: int) -> None:
    assert delivery(document, query=query).sent_at == sent_at
