"""What a browser's own text (its user agent) and the page's referrer tell: browser, system, device, search engine.

Our tag sends the text as it is: every page would pay for the table that reads it. So it is read here, once for each.

Rules:
- Pure, and as posthog-js has it, name for name and in its order (@posthog/core, user-agent-utils.ts, Apache 2.0):
  dashboards made for its events go on with ours. tests/sdks/test_agent.py asks both.
- Of our own tag's events alone: other SDKs say what they want said, and a server's own text is not its visitor's. What
  a page says itself is believed.
- Whoever sends can send any text: no pattern takes more than some ms for the worst.
- Not to be known here, so not told: Brave on desktops (it says Chrome), tablets that ask for the desktop's pages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from beknown.wire import LIBRARY

LONGEST = 1000  # characters; our tag sends no more
MOST = 10_000  # texts that are remembered: an ingest must not read each anew

# What the text holds -> the browser, and what stands before its version. The first that fits counts: most texts name
# several browsers, to be served as those are.
_BROWSERS = [
    (re.compile(sign), name, re.compile(f"(?:{before})(\\d+(?:\\.\\d+)?)") if before else None)
    for sign, name, before in (
        (r"^(?=.* OPR/)(?=.*Mini)", "Opera Mini", ""),
        (r" OPR/", "Opera", "Opera/|OPR/"),
        (r"(?i:BlackBerry|PlayBook|BB10)", "BlackBerry", "BlackBerry |Version/"),
        (r"IEMobile|WPDesktop", "Internet Explorer Mobile", "rv:"),
        (r"OculusBrowser", "Oculus Browser", "OculusBrowser/"),
        (r"SamsungBrowser", "Samsung Internet", "SamsungBrowser/"),
        (r"Edge|Edg/", "Microsoft Edge", "Edge?/"),
        (r"Vivaldi/", "Vivaldi", "Vivaldi/"),
        (r"YaBrowser/", "Yandex", "YaBrowser/"),
        (r"Whale/", "Whale", "Whale/"),
        (r"DuckDuckGo/|Ddg/", "DuckDuckGo", "DuckDuckGo/|Ddg/"),
        (r"Claude/", "Claude", "Claude/"),
        (r"Codex/", "Codex", "Codex/"),
        (r"ChatGPT/", "ChatGPT", "ChatGPT/"),
        (r"FBIOS", "Facebook Mobile", ""),
        (r"UCWEB|UCBrowser", "UC Browser", "UCBrowser/|UCWEB/"),
        (r"CriOS", "Chrome iOS", "CriOS/"),
        (r"CrMo|Chrome", "Chrome", "Chrome/|CrMo/"),
        (r"^(?=.*Android)(?=.*Safari)", "Android Mobile", r"(?i:android)\s"),
        (r"FxiOS", "Firefox iOS", "FxiOS/"),
        (r"(?i:konqueror)", "Konqueror", "(?i:konqueror)[:/]?"),
        (r"Brave/", "Brave", "Brave/"),
        # Every browser on these devices is Safari inside; an app's own view does not say so.
        (r"^(?=.*Mobile)(?=.*(?:iPhone|iPad|iPod|Safari))", "Mobile Safari", "Version/"),
        (r"Safari|^(?=.*AppleWebKit)(?=.*(?:iPhone|iPad|iPod|Macintosh))", "Safari", "Version/"),
        (r"PaleMoon/", "Pale Moon", "PaleMoon/"),
        (r"Waterfox/", "Waterfox", "Waterfox/"),
        (r"Firefox", "Firefox", "Firefox/"),
        (r"MSIE|Trident/", "Internet Explorer", "rv:|MSIE "),
        (r"Gecko", "Firefox", "Firefox/"),
    )
]

_WINDOWS = {"5.0": "2000", "5.1": "XP", "5.2": "XP", "6.0": "Vista", "6.1": "7", "6.2": "8", "6.3": "8.1", "6.4": "10"}
_WINDOWS |= {"10.0": "10", "NT4.0": "NT 4.0"}

# What the text holds -> the system; its groups are the parts of the version.
_SYSTEMS = [
    (re.compile(sign), name)
    for sign, name in (
        (r"(?i)Xbox; Xbox (.*?)[);]", "Xbox"),
        (r"(?i)Nintendo", "Nintendo"),
        (r"(?i)PlayStation", "PlayStation"),
        (r"(?i)BlackBerry|PlayBook|BB10", "BlackBerry"),
        (r"^(?=.*(?i:Windows))(?=.*(?:Phone|WPDesktop))", "Windows Phone"),
        (r"^(?=.*(?i:Windows))(?=.*Mobile)(?!.*IEMobile\b)", "Windows Mobile"),
        (r"(?i)Windows NT ([0-9.]+)", "Windows"),
        (r"(?i)Windows", "Windows"),
        (r"(?:iPhone|iPad|iPod).{0,100}?OS (\d+)_(\d+)_?(\d+)?|iPhone", "iOS"),
        (r"(?i)watch.{0,100}/(\d+\.\d+\.\d+)|watch os,(\d+\.\d+),", "watchOS"),
        (r"(?i)Android (\d+)\.(\d+)\.?(\d+)?|Android", "Android"),
        (r"(?i)Mac OS X (\d+)[_.](\d+)[_.]?(\d+)?", "Mac OS X"),
        (r"(?i)Mac", "Mac OS X"),
        (r"CrOS", "Chrome OS"),
        (r"(?i)Linux|debian", "Linux"),
    )
]

# What the text holds -> the device, and its type.
_DEVICES = [
    (re.compile(sign), device, kind)
    for sign, device, kind in (
        (r"(?i)Nintendo \w+", "Nintendo", "Console"),
        (r"(?i)PlayStation \w+", "PlayStation", "Console"),
        (r"(?i)Xbox", "Xbox", "Console"),
        (r"(?i)Ouya", "Ouya", "Console"),
        (r"(?i)Windows Phone|WPDesktop", "Windows Phone", "Mobile"),
        (r"iPad", "iPad", "Tablet"),
        (r"iPod", "iPod Touch", "Mobile"),
        (r"iPhone", "iPhone", "Mobile"),
        (r"(?i)watch(?: ?os[,/]|\d,\d/)[\d.]+", "Apple Watch", "Wearable"),
        (r"(?i)BlackBerry|PlayBook|BB10", "BlackBerry", "Mobile"),
        (r"(?i)kobo\s(?:ereader|touch)", "Kobo", "Tablet"),
        (r"(?i)Nokia", "Nokia", "Mobile"),
        (r"(?i)(?:kf[a-z]{2}wi|aeo[c-r]{2})(?: bui|\))|kf[a-z]{1,20}(?: bui|\)).{1,300}silk/", "Kindle Fire", "Tablet"),
    )
]
_ANDROID = re.compile(r"(?i)Android|ZTE")
# These say Mobile and are tablets, or say nothing and are telephones.
_TABLETS = re.compile(r"(?i)9138B|TB782B|Nexus [97]|pixel c|HUAWEISHT|BTV|noble nook|smart ultra 6")
_PHONES = re.compile(r"(?i)pixel(?! c)[\daxl ]{1,6}|huaweimed-al00|tah-|APA|SM-G92|i980|zte|U304AA|lmy47v(?!.*QTAQZ3)")
_OTHER_MOBILE = re.compile(r"(?i)pda|Mobile")
_OTHER_TABLET = re.compile(r"(?i)Tablet(?! pc)")

_SEARCH = re.compile(r"https?://(?:[^/?#]*\.)?(google|bing|yahoo|duckduckgo)\.")


def told(properties: dict[str, Any]) -> dict[str, Any]:
    """Give what an event's user agent and referrer tell beyond what its sender has said itself."""
    agent = properties.get("$raw_user_agent")
    is_ours = properties.get("$lib") == LIBRARY and properties.get("$is_server") is not True
    if not is_ours or not isinstance(agent, str) or "$browser" in properties:
        return {}
    found = _read(agent[:LONGEST]) | searched(properties.get("$referrer"))
    return {name: value for name, value in found.items() if name not in properties}


def searched(referrer: Any) -> dict[str, Any]:
    """Give the search engine that a visitor came from, and what they looked for if it says so."""
    match = _SEARCH.match(referrer) if isinstance(referrer, str) else None
    if match is None:
        return {}
    engine = match[1]
    try:
        asked = parse_qs(urlsplit(referrer).query, max_num_fields=100).get("p" if engine == "yahoo" else "q")
    except ValueError:  # an address that is none, or far too much of one
        asked = None
    return {"$search_engine": engine} | ({"ph_keyword": asked[0]} if asked else {})


@lru_cache(maxsize=MOST)
def _read(agent: str) -> dict[str, Any]:
    browser, number = _browser(agent)
    system, version = _system(agent)
    device, kind = _device(agent)
    found = {
        "$browser": browser,
        "$browser_version": number,
        "$os": system,
        "$os_version": version,
        "$device": device,
        "$device_type": kind,
    }
    return {name: value for name, value in found.items() if value not in ("", None)}


def _browser(agent: str) -> tuple[str, float | None]:
    for sign, name, before in _BROWSERS:
        if sign.search(agent):
            match = before.search(agent) if before else None
            number = float(match[1]) if match else None
            return name, int(number) if number is not None and number.is_integer() else number
    return "", None


def _system(agent: str) -> tuple[str, str]:
    for sign, name in _SYSTEMS:
        if match := sign.search(agent):
            parts = [part for part in match.groups() if part]
            if name == "Windows":
                known = _WINDOWS.get(parts[0], "") if parts else ""
                return name, "RT" if parts and "arm" in agent.lower() else known
            if len(parts) == 2:  # of three
                parts.append("0")
            return name, ".".join(parts)
    return "", ""


def _device(agent: str) -> tuple[str, str]:
    for sign, device, kind in _DEVICES:
        if sign.search(agent):
            return device, kind
    if _ANDROID.search(agent):
        says_mobile = "Mobile" in agent and not _TABLETS.search(agent)
        return ("Android", "Mobile") if says_mobile or _PHONES.search(agent) else ("Android Tablet", "Tablet")
    if _OTHER_MOBILE.search(agent):
        return "Generic mobile", "Mobile"
    if _OTHER_TABLET.search(agent):
        return "Generic tablet", "Tablet"
    return "", "Desktop"
