"""Which hosts share the visitor: all below the widest domain that takes a cookie, or below the one that the tag names.

Some names are real ones, since browsers have a list of the public suffixes; every name leads to this machine.
"""

from __future__ import annotations

from urllib.parse import unquote

from .conftest import KEY, AnyBrowser, Collector, Site, tag
from .test_consent import opened

NAME = f"bk_{KEY}"


def homes(browser: AnyBrowser) -> set[str]:
    """Give the domains that have the visitor's cookie; one without a dot before it is a host alone."""
    return {cookie["domain"] for cookie in browser.cookies() if cookie["name"] == NAME}


def test_subdomains_share_the_visitor_and_open_tabs_follow(
    collector: Collector, site: Site, named_browser: AnyBrowser
) -> None:
    site.add("/", tag(collector, first="page"))
    port = site.url.rpartition(":")[2]
    a = opened(named_browser, f"http://a.example.test:{port}/")
    visitor = a.evaluate("beknown.ready.then(beknown.flush).then(beknown.get_distinct_id)")
    b = opened(named_browser, f"http://b.example.test:{port}/")
    assert b.evaluate("beknown.ready.then(beknown.flush).then(beknown.get_distinct_id)") == visitor
    assert homes(named_browser) == {".example.test"}
    a.evaluate("beknown.identify('ada'); beknown.flush()")
    a.wait_for_function("beknown.get_distinct_id() == 'ada'")
    b.evaluate("beknown.capture('in_b'); beknown.flush()")
    (event,) = collector.wait_for("in_b")
    assert event["distinct_id"] == "ada"
    b.evaluate("beknown.reset(); beknown.flush()")
    b.wait_for_function("beknown.get_distinct_id() != 'ada'")
    a.evaluate("beknown.capture('in_a'); beknown.flush()")
    (event,) = collector.wait_for("in_a")
    assert event["distinct_id"] == b.evaluate("beknown.get_distinct_id()")
    assert len(unquote(next(c["value"] for c in named_browser.cookies() if c["name"] == NAME))) < 170
    a.evaluate("beknown.opt_out()")
    b.reload()
    b.wait_for_function("window.beknown")
    # The server's copy for their domain, set by an answer that came when the page was gone.
    b.evaluate(f"document.cookie = '{NAME}.kept=late;path=/;domain=example.test'")
    b.reload()
    b.wait_for_function("window.beknown")
    assert {cookie["name"] for cookie in named_browser.cookies()} == {NAME}


def test_the_tag_may_name_the_domain_whose_subdomains_share_the_visitor(
    collector: Collector, site: Site, named_browser: AnyBrowser
) -> None:
    site.add("/", tag(collector, first="page", cookie_domain="shop.example.test"))
    port = site.url.rpartition(":")[2]
    a, b, outside = (
        opened(named_browser, f"http://{name}.example.test:{port}/") for name in ("a.shop", "b.shop", "elsewhere")
    )
    for page in (a, b, outside):
        page.evaluate("beknown.capture('here'); beknown.ready.then(beknown.flush)")
    ids = [page.evaluate("beknown.get_distinct_id()") for page in (a, b, outside)]
    assert ids[0] == ids[1] != ids[2]
    assert homes(named_browser) == {".shop.example.test", "elsewhere.example.test"}  # outside it: the host's alone
    assert {event["distinct_id"] for event in collector.wait_for("here", 3)} == set(ids)
    named_browser.errors.clear()  # Firefox tells of a cookie that it refuses


def test_nobody_is_shared_across_a_public_suffix(collector: Collector, site: Site, named_browser: AnyBrowser) -> None:
    """A registry's (co.uk), or that of a company that lends names below its own."""
    site.add("/", tag(collector, first="page"))
    port = site.url.rpartition(":")[2]
    names = ("shop.example.co.uk", "blog.example.co.uk", "shop.myshopify.com", "other.myshopify.com", "myshopify.com")
    pages = [opened(named_browser, f"http://{name}:{port}/") for name in names]
    ids = [page.evaluate("beknown.get_distinct_id()") for page in pages]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    # A name right below a suffix has the cookie with its own subdomains; the suffix itself, for the host alone.
    assert homes(named_browser) == {".example.co.uk", ".shop.myshopify.com", ".other.myshopify.com", "myshopify.com"}
    named_browser.errors.clear()  # Firefox tells of a cookie that it refuses
