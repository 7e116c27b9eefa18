"""One event as it leaves the page: what is known about page, visitor and session, under the caller's properties.

Rules:
- Pure. The page's facts come from the host, the call's from its journal entry.
- Later wins: browser and page < where the session came from < registered < the caller's own < what only we may say
  (ids, session, library).
- Names are posthog-js's (posthog-js §5.3), so that its users' dashboards and exports keep working.
- A name that starts with ``$`` and is empty or unknown is left out rather than sent as null.
- Without consent to be known (permission.py, cookieless) an event says what happened, and nothing by which two events
  could be told to be one visitor's: no id of device, session or tab. The server counts by its own hash of the day.
"""

from . import permission, wire
from .filter import filtered
from .ids import derived, is_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .identity import Identity
    from .state import State

# Marketing parameters kept from the page's address (posthog-js §5.3)
CAMPAIGN = (
    "utm_source utm_medium utm_campaign utm_content utm_term gad_source mc_cid gclid gclsrc dclid gbraid wbraid "
    "fbclid msclkid twclid li_fat_id igshid ttclid rdt_cid epik qclid sccid oppref bfcid irclid _kx"
).split()

SOURCE = ["$referrer", "$referring_domain"] + list(CAMPAIGN)
TOUCH = ["$current_url", "$host", "$pathname"] + SOURCE


def split_url(url: str) -> "tuple[str, str, str]":
    """Give host (with port), path and query of an absolute address; three empty texts if it is none."""
    _, separator, rest = url.partition("://")
    if not separator:
        return "", "", ""
    rest = rest.partition("#")[0]
    rest, _, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    return host.rpartition("@")[2], slash + path or "/", query


def page_properties(entry: "dict[str, Any]") -> "dict[str, Any]":
    """Give what a journal entry says of the page: address, referrer, title."""
    url, referrer = entry.get("url", ""), entry.get("referrer", "")
    host, path, query = split_url(url)
    found: "dict[str, Any]" = {
        "$current_url": url,
        "$host": host,
        "$pathname": path,
        "$referrer": referrer or "$direct",
        "$referring_domain": split_url(referrer)[0] or "$direct",
        "title": entry.get("title", ""),
    }
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in CAMPAIGN and value:
            found[name] = unquote(value)
    return {name: value for name, value in found.items() if value != ""}


def same_page(url: str, before: str, counted: "str | None") -> bool:
    """Tell whether two addresses are one page: of the same path, unless ``query`` or ``hash`` are to count too."""
    if counted == "hash":
        return url == before
    if counted == "query":
        return split_url(url)[1:] == split_url(before)[1:]
    return split_url(url)[1] == split_url(before)[1]  # as posthog-js counts


def viewed(tab: "list[Any]", call: str, entry: "dict[str, Any]") -> "dict[str, Any]":
    """Take note of the view that a call makes of the tab's page; give what is to be said of the one before."""
    before = left(tab, entry)
    tab[2] = [call, split_url(entry["url"])[1], entry["at"]]
    return before


def left(tab: "list[Any]", entry: "dict[str, Any]") -> "dict[str, Any]":
    """Give what the tab showed until now, as posthog-js names it, and forget it."""
    shown, tab[2] = tab[2], None
    if not shown:
        return {}
    id, path, at = shown
    return {
        "$prev_pageview_id": id,
        "$prev_pageview_pathname": path,
        "$prev_pageview_duration": (entry["at"] - at) / 1000,
    }


def browser_properties(facts: "dict[str, Any]") -> "dict[str, Any]":
    """Give what the host knows of browser, screen and window, under posthog-js's names."""
    language = facts.get("language", "")
    screen, viewport = facts.get("screen") or [None, None], facts.get("viewport") or [None, None]
    found = {
        "$raw_user_agent": facts.get("agent", "")[:1000],
        "$browser_language": language,
        "$browser_language_prefix": language.partition("-")[0],
        "$timezone": facts.get("timezone"),
        "$timezone_offset": facts.get("offset"),  # minutes that UTC is ahead, as JavaScript has it
        "$screen_width": screen[0],
        "$screen_height": screen[1],
        "$viewport_width": viewport[0],
        "$viewport_height": viewport[1],
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def first_touch(page: "dict[str, Any]") -> "dict[str, Any]":
    """Give the ``$initial_*`` person properties of a visitor whose first page this is."""
    return {"$initial_" + name.lstrip("$"): page[name] for name in TOUCH if name in page}


def session_entry(page: "dict[str, Any]") -> "dict[str, Any]":
    """Give what rides on all events of a session that begins on this page: where it came from (posthog-js §5.3)."""
    found = {"$session_entry_" + name.lstrip("$"): page[name] for name in TOUCH if name in page}
    if "$session_entry_current_url" in found:
        found["$session_entry_url"] = found.pop("$session_entry_current_url")
    found.update({name: page[name] for name in SOURCE if name in page})
    return found


def source(entry: "dict[str, Any]", page: "dict[str, Any]") -> "dict[str, Any]":
    """Give a session's entry after this page, whose marketing parameters, if it has any, count from now on."""
    found = {name: page[name] for name in CAMPAIGN if name in page}
    return {name: value for name, value in entry.items() if name not in CAMPAIGN} | found if found else entry


def build(
    name: str,
    *,
    call: str,
    entry: "dict[str, Any]",
    state: "State",
    kept: "State",
    identity: "Identity",
    facts: "dict[str, Any]",
    properties: "dict[str, Any]",
    options: "dict[str, Any] | None" = None,
    top: "dict[str, Any] | None" = None,
    number: int = 0,
) -> "dict[str, Any]":
    """Give the event that one call makes, on PostHog's wire. ``top`` holds ``$set`` and ``$set_once``;
    any ``top``, even an empty one, makes the event about a person. ``kept`` holds what was said of the visitor that it
    is about: not always the present one, whose are session and tab.

    ``number`` tells several events of one call apart: the first has the call's id, the next ids derived from it.
    """
    tab = state.tab(entry.get("window", ""))
    nobodys = facts.get("consent") == permission.COOKIELESS
    found = browser_properties(facts)
    found.update(page_properties(entry))
    found.update({} if nobodys else kept.entry)
    found.update(kept.registered)
    found.update(kept.of_session)
    found.update(properties)
    if kept.groups and isinstance(found.get("$groups", {}), dict):
        found["$groups"] = kept.groups | found.get("$groups", {})  # the event's own add to those that stand
    found = filtered(found, options or {})
    if tab[2]:
        found["$pageview_id"] = tab[2][0]
    found.update({"$lib": wire.LIBRARY, "$lib_version": wire.VERSION})
    if nobodys:
        top = None
        found.update(_nobodys(permission.is_signalled(facts, options or {})))
    else:
        found.update(_whose(state, identity, tab, top is not None or bool(kept.groups)))
    event: "dict[str, Any]" = {
        "uuid": call if number == 0 else derived(call, f"event {number}"),
        "event": name,
        "distinct_id": wire.COOKIELESS if nobodys else identity.distinct_id,
        "timestamp": wire.iso(entry["at"]),
        "properties": found,
    }
    event.update({name: filtered(bag, options or {}) for name, bag in (top or {}).items()})
    return event


def window(session: str, tab: str) -> str:
    """Give the id of a tab within a session: with a new session it is another, as in posthog-js (§4)."""
    return derived(session, tab) if is_uuid(session) else tab  # a cookie may hold anything


def _whose(state: "State", identity: "Identity", tab: "list[Any]", about_person: bool) -> "dict[str, Any]":
    """Give what only we may say of the visitor: device, session, tab, and the event's place in the tab's line."""
    tab[1] += 1
    return {
        "$device_id": identity.device,
        "$is_identified": identity.identified,
        "$process_person_profile": identity.identified or about_person,
        "$session_id": state.session.id,
        "$window_id": window(state.session.id, tab[0]),
        "$sequence": tab[1],
    }


def _nobodys(signalled: bool) -> "dict[str, Any]":
    """Give what an event says instead where nobody may be known; ``$gpc``: because the browser asks for it."""
    found = {
        "$cookieless_mode": True,
        "$device_id": None,
        "$is_identified": False,
        "$process_person_profile": False,
    }
    return dict(found, **{"$gpc": True}) if signalled else found


def unquote(text: str) -> str:
    """Give a query value without its percent signs and pluses; bytes that are no UTF-8 stay as they came."""
    pieces = text.replace("+", " ").split("%")
    raw = pieces[0].encode()
    for piece in pieces[1:]:
        try:
            raw += bytes([int(piece[:2], 16)]) + piece[2:].encode()
        except ValueError:
            raw += b"%" + piece.encode()
    try:
        return raw.decode()
    except UnicodeError:
        return text
