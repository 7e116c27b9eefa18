"""Who may look: counting wrong keys, links that log in once, and where a log-in may lead."""

from __future__ import annotations

import pytest
from beknown_server import access
from beknown_server.access import WRONG_KEYS, WRONG_KEYS_MS, Links, WrongKeys


def test_an_address_may_guess_ten_times_and_then_waits() -> None:
    wrong_keys = WrongKeys()
    for at in range(WRONG_KEYS):
        assert wrong_keys.wait_ms("192.0.2.1", now=at) == 0
        wrong_keys.add("192.0.2.1", now=at)
    assert wrong_keys.wait_ms("192.0.2.1", now=WRONG_KEYS) == WRONG_KEYS_MS - WRONG_KEYS
    assert wrong_keys.wait_ms("192.0.2.2", now=WRONG_KEYS) == 0, "another address is not punished"
    assert wrong_keys.wait_ms("192.0.2.1", now=WRONG_KEYS_MS + 1) == 0, "and it is forgotten"


def test_the_count_of_wrong_keys_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_ADDRESSES", 100)
    wrong_keys = WrongKeys()
    for number in range(1000):
        wrong_keys.add(f"address {number}", now=number)
    assert len(wrong_keys._times) == 100


def test_a_link_opens_its_project_once() -> None:
    links = Links()
    token = links.make(7, secret="a secret")
    assert links.open(token, secret="a secret") == 7
    assert links.open(token, secret="a secret") is None


@pytest.mark.parametrize("spoil", [lambda token: token[:-2] + "xx", lambda token: "", lambda token: "a.b.c"])
def test_a_forged_link_opens_nothing(spoil) -> None:  # type: ignore[no-untyped-def]
    links = Links()
    assert links.open(spoil(links.make(7, secret="a secret")), secret="a secret") is None


def test_a_link_of_another_server_opens_nothing() -> None:
    links = Links()
    assert links.open(links.make(7, secret="another secret"), secret="a secret") is None


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", None, "/a\nb", "live"],
)
def test_a_log_in_never_leads_to_another_site(target: str | None) -> None:
    assert access.safe_next(target, "/overview") == "/overview"


def test_a_log_in_leads_to_the_page_that_was_wanted() -> None:
    assert access.safe_next("/people?search=ada", "/overview") == "/people?search=ada"
