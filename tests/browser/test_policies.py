"""Origins and Content-Security-Policies under which the tag must work, with Python in the visitor's browser."""

from __future__ import annotations

from .conftest import Browser, Collector, Site, tag


def works(browser: Browser, collector: Collector, url: str) -> None:
    page = browser.page()
    page.goto(url)
    assert page.evaluate("beknown.ready")["runtime"] == "micropython"
    page.evaluate("beknown.capture('one'); beknown.identify('ada'); beknown.capture('two'); beknown.reset()")
    page.evaluate("beknown.flush()")
    collector.wait_for("two")
    assert browser.said == []


def test_the_script_may_come_from_another_origin(collector: Collector, site: Site, browser: Browser) -> None:
    site.add("/", tag(collector))
    works(browser, collector, site.elsewhere + "/")


def test_a_strict_policy_that_names_the_collector_is_enough(
    collector: Collector, site: Site, browser: Browser
) -> None:
    policy = (
        f"default-src 'none'; script-src {collector.url} 'wasm-unsafe-eval'; connect-src {collector.url}; worker-src blob:"
    )
    site.add("/", tag(collector), headers={"Content-Security-Policy": policy})
    works(browser, collector, site.url + "/")


def test_a_cross_origin_isolated_page_can_load_it(collector: Collector, site: Site, browser: Browser) -> None:
    headers = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
    site.add("/", tag(collector), headers=headers)
    works(browser, collector, site.url + "/")
