"""What counts as a yes or a no, wherever it was said: in the tag, before the script had come, to posthog-js."""

from __future__ import annotations

import pytest
from beknown_server.snippet import INLINE

from .conftest import KEY, AnyBrowser, Browser, Collector, Line, Site, tag, until
from .line import DROPPED
from .test_consent import SIGNAL, Traffic, kept, opened

NAME = f"bk_{KEY}"


@pytest.mark.parametrize("wrong", ["Granted", "yes", "error", "grantd", "cookie-less", "cookies"])
def test_a_slip_of_the_pen_in_the_tag_lets_nothing_out_and_is_said(
    line: Line, site: Site, any_browser: AnyBrowser, wrong: str
) -> None:
    traffic = Traffic(line)
    page = any_browser.page()
    page.add_init_script(SIGNAL)  # whoever asks not to be known is not known by mistake either
    page.goto(site.add("/", tag(line, consent=wrong)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('never'); beknown.flush()")
    assert page.evaluate("beknown.consent()") == "pending"
    page.wait_for_timeout(300)
    page.goto(site.add("/empty", "<!-- no tag here -->"))
    assert traffic.asked == []
    assert kept(page, any_browser) == {}
    until(lambda: any("data-consent" in text for text in any_browser.listen()), "a message")


@pytest.mark.parametrize(
    ("said", "consent", "mode"),
    [
        ("opt_out", "granted", "denied"),
        ("opt_out_capturing", "granted", "denied"),
        ("opt_in", "pending", "granted"),
        ("opt_in_capturing", "pending", "granted"),
    ],
)
def test_a_choice_that_is_made_before_the_script_has_come_is_kept(
    site: Site, line: Line, any_browser: AnyBrowser, said: str, consent: str, mode: str
) -> None:
    page = opened(any_browser, site.add("/", f"{INLINE}<script>beknown.{said}()</script>" + tag(line, consent=consent)))
    assert page.evaluate("beknown.consent()") == mode
    page.reload()
    page.wait_for_function("window.beknown.consent")
    assert page.evaluate("beknown.get_explicit_consent_status()") == mode


def test_what_the_inline_stub_took_and_nobody_can_do_costs_nothing_else(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    odd = "beknown.then(1); beknown.ready(); beknown.people.set({plan: 'pro'}); beknown.capture('after')"
    opened(any_browser, site.add("/", f"{INLINE}<script>{odd}</script>" + tag(collector)))
    (after,) = collector.wait_for("after")
    assert collector.person(after["distinct_id"])["properties"]["plan"] == "pro"


@pytest.mark.parametrize("where", ["localStorage", "cookie"])
@pytest.mark.parametrize("persistence", ["cookie+localStorage", "memory"])
def test_a_no_that_was_said_to_posthog_js_is_a_no(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, where: str, persistence: str
) -> None:
    traffic = Traffic(line)
    refusal = f"__ph_opt_in_out_{KEY}"
    page = any_browser.page()
    page.goto(site.add("/before", "<!-- no tag yet -->"))
    page.evaluate(f"{where}['{refusal}'] = '0'" if where != "cookie" else f"document.cookie = '{refusal}=0'; 0")
    page.goto(site.add("/", tag(line, persistence=persistence)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('never'); beknown.flush()")
    assert page.evaluate("beknown.consent()") == "denied"
    page.reload()
    page.wait_for_function("window.beknown")
    page.wait_for_timeout(300)
    assert traffic.asked == []
    page.evaluate("beknown.opt_in()")
    page.evaluate("beknown.flush()")
    assert [event["event"] for event in collector.wait_for("$pageview")] == ["$pageview"]
    assert page.evaluate("beknown.consent()") == "granted"


def test_a_tag_that_denies_stores_no_word_of_the_visitors(line: Line, site: Site, any_browser: AnyBrowser) -> None:
    page = opened(any_browser, site.add("/", tag(line, consent="denied")))
    assert page.evaluate("[beknown.consent(), beknown.get_explicit_consent_status()]") == ["denied", "pending"]
    assert kept(page, any_browser) == {}
    page.evaluate("beknown.opt_out()")
    assert set(kept(page, any_browser)) == {NAME}
    page.goto(site.add("/later", tag(line)))
    page.wait_for_function("window.beknown")
    assert page.evaluate("beknown.consent()") == "denied"


def test_a_no_that_was_said_elsewhere_is_heard_by_a_tab_that_calls_nothing(
    line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    """Kept in the cookie alone it comes with no event: so it does to the tabs of another subdomain."""
    home = site.add("/", tag(line, persistence="cookie", pageviews="off"))
    page, other = opened(any_browser, home), opened(any_browser, home)
    line.faults |= {"/e/": DROPPED, "/run": DROPPED}
    page.evaluate("beknown.ready.then(() => beknown.capture('x'))")
    until(lambda: line.asked("/e/") or line.asked("/run"), "a first try")
    other.evaluate("beknown.opt_out()")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', {bubbles: true})); 0")
    asked = line.asked("/e/") + line.asked("/run")
    page.wait_for_timeout(6000)  # longer than until the next try
    assert line.asked("/e/") + line.asked("/run") == asked


@pytest.mark.parametrize("persistence", ["localStorage", "sessionStorage"])
def test_a_yes_makes_nobody_new_of_a_visitor_whom_no_cookie_tells_of(
    collector: Collector, site: Site, any_browser: AnyBrowser, persistence: str
) -> None:
    home = site.add("/", tag(collector, persistence=persistence))
    page = opened(any_browser, home)
    page.evaluate("beknown.flush()")
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.goto(site.add("/next", f"{INLINE}<script>beknown.opt_in()</script>" + tag(collector, persistence=persistence)))
    page.wait_for_function("window.beknown.consent")
    page.evaluate("beknown.capture('after'); beknown.flush()")
    (after,) = collector.wait_for("after")
    assert (after["distinct_id"], page.evaluate("beknown.get_distinct_id()")) == (visitor, visitor)
    page.goto(site.add("/last", tag(collector, persistence=persistence, consent="pending")))
    page.wait_for_function("window.beknown")
    assert page.evaluate("beknown.consent()") == "granted"


@pytest.mark.parametrize("how", ["opt_out", "signal"])
def test_who_may_not_be_known_leaves_no_tabs_journal_behind(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, how: str
) -> None:
    """What a closed tab left is too young to be taken over; kept, it would make its user of the next one known here."""
    home = site.add("/", tag(line, pageviews="off"))
    page = opened(any_browser, home)
    page.evaluate("beknown.ready.then(beknown.flush)")
    line.faults |= {"/e/": DROPPED, "/run": DROPPED}
    page.evaluate("beknown.identify('ada'); beknown.register({plan: 'pro'})")
    page.close()
    page = any_browser.page()
    if how == "signal":
        page.add_init_script(SIGNAL)
    page.goto(home)
    page.wait_for_function("window.beknown")
    if how == "opt_out":
        assert any(name.startswith(NAME + "~") and "ada" in text for name, text in kept(page, any_browser).items())
        page.evaluate("beknown.opt_out()")
    assert kept(page, any_browser) == ({NAME: "denied"} if how == "opt_out" else {})


def test_an_answer_from_the_worker_is_an_occasion_to_hear_of_a_no(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(line, pageviews="off", first="page"))
    page = opened(any_browser, home)
    page.evaluate("beknown.ready")
    line.hold("/e/")
    page.evaluate("beknown.capture('x')")
    until(lambda: line.asked("/e/"), "the event to be on its way")
    page.evaluate(f"document.cookie = '{NAME}=denied;path=/'")  # as another subdomain does it
    line.release()
    mark = f"sessionStorage.getItem('{NAME}~tab')"
    until(lambda: page.evaluate(mark) is None, "the page to have heard")


WORKERS = """
const Real = Worker;
window.workers = [];
window.Worker = class extends Real { constructor(...given) { super(...given); workers.push(this); } };
"""


def test_a_yes_that_is_repeated_begins_nothing_anew(collector: Collector, site: Site, browser: Browser) -> None:
    page = browser.page()
    page.add_init_script(WORKERS)
    page.goto(site.add("/", tag(collector, consent="pending")))
    page.wait_for_function("window.beknown")
    for _ in range(3):
        page.evaluate("beknown.opt_in(); beknown.ready")
    page.evaluate("beknown.opt_in(); beknown.flush()")
    collector.wait_for("$pageview")
    assert page.evaluate("workers.length") == 1


YES_MEANWHILE = """cookie => {
  // Another tab says yes between two looks at the cookie.
  const own = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
  let looks = 0;
  Object.defineProperty(document, 'cookie', {
    configurable: true,
    get() {
      const text = own.get.call(document);
      if (!looks++) own.set.call(document, cookie);
      return text;
    },
    set: (text) => own.set.call(document, text),
  });
  beknown.consent();
  delete document.cookie;
  return beknown.consent();
}"""


def test_a_yes_that_another_tab_says_just_now_is_not_taken_back(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = opened(any_browser, site.add("/", tag(collector)))
    page.evaluate("beknown.ready.then(beknown.flush)")
    page.evaluate("beknown.opt_out()")
    assert page.evaluate("beknown.consent()") == "denied"
    yes = f"{NAME}=1y.1.dev.a..0.0.dev;path=/"
    assert page.evaluate(f"({YES_MEANWHILE})({yes!r})") == "granted"
    (cookie,) = [each for each in any_browser.cookies() if each["name"] == NAME]
    assert cookie["value"].startswith("1y")
