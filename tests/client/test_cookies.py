"""The page's cookies as its own Python writes them, in a browser that hides one of two with the same name."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from types import SimpleNamespace
from unittest import mock

import pytest
from beknown.hosts import browser, cookies

NAME = "bk_test"


class Document:
    """What `document.cookie` keeps, takes and gives on a host: of two under one name the older comes first."""

    def __init__(self, host: str, jar: dict[tuple[str, str], str]) -> None:
        self.host, self.jar = host, jar

    def is_in(self, domain: str) -> bool:
        return "." in domain and f".{self.host}".endswith("." + domain)  # no public suffix, and no other site

    @property
    def cookie(self) -> str:
        seen = [pair for pair in self.jar if pair[1] == "host:" + self.host or self.is_in(pair[1])]
        return "; ".join(f"{name}={self.jar[name, domain]}" for name, domain in seen)

    @cookie.setter
    def cookie(self, baked: str) -> None:
        pair, *rest = baked.split("; ")
        name, _, text = pair.partition("=")
        about = dict(each.partition("=")[::2] for each in rest)
        domain = about.get("domain", "")
        if domain and not self.is_in(domain):
            return
        place = (name, domain or "host:" + self.host)
        if about["max-age"] == "0":
            self.jar.pop(place, None)
        else:
            self.jar[place] = text


@pytest.fixture(autouse=True)
def js() -> Iterator[None]:
    encoder = SimpleNamespace(encodeURIComponent=lambda text: urllib.parse.quote(text, safe=""))
    with mock.patch.object(cookies, "js", encoder, create=True):
        yield


def visited(host: str, jar: dict[tuple[str, str], str]) -> browser.Browser:
    location = SimpleNamespace(protocol="https:", hostname=host)
    return browser.Browser(SimpleNamespace(document=Document(host, jar), location=location))


def test_the_widest_domain_that_the_browser_allows_has_the_cookie_and_a_deletion_reaches_all() -> None:
    jar: dict[tuple[str, str], str] = {}
    page = visited("www.shop.example", jar)
    for text in ("1.0 ada", "1.1%"):
        page.set_cookie(NAME, text, "")
        assert page.cookie(NAME) == text
        assert list(jar) == [(NAME, "shop.example")]
    jar[NAME, "host:www.shop.example"] = jar[NAME, "www.shop.example"] = "x"
    page.set_cookie(NAME, "", "")
    assert (page.cookie(NAME), jar) == ("", {})


@pytest.mark.parametrize("older", ["host:www.app.shop.example", "www.app.shop.example", "shop.example"])
@pytest.mark.parametrize("named", ["", "app.shop.example"])
def test_an_older_cookie_of_another_domain_does_not_hide_the_visitors(older: str, named: str) -> None:
    jar = {(NAME, older): "older"}
    page = visited("www.app.shop.example", jar)
    for text in ("1y.1", "1y.2"):
        page.set_cookie(NAME, text, named)
        assert page.cookie(NAME) == text
    assert jar == {(NAME, named or "shop.example"): "1y.2"}


def test_where_the_named_domain_is_not_the_pages_the_host_alone_has_the_cookie() -> None:
    jar: dict[tuple[str, str], str] = {}
    page = visited("www.shop.example", jar)
    for text in ("1y.1", "1y.2", "denied"):
        page.set_cookie(NAME, text, "exmple.com")
        assert visited("www.shop.example", jar).cookie(NAME) == text
    assert list(jar) == [(NAME, "host:www.shop.example")]


def test_a_cookie_that_is_there_already_is_not_written_beside_itself() -> None:
    jar = {(NAME, "shop.example"): "1.1"}
    visited("www.shop.example", jar).set_cookie(NAME, "1.1", "")
    assert jar == {(NAME, "shop.example"): "1.1"}


def test_a_host_without_a_domain_has_the_cookie_itself() -> None:
    for host in ("localhost", "127.0.0.1"):
        jar: dict[tuple[str, str], str] = {}
        visited(host, jar).set_cookie(NAME, "1.1", "")
        assert list(jar) == [(NAME, "host:" + host)]
