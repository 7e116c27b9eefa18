"""The contract between page and server: names, limits, the cookie, the batch. Shared by both sides.

Rules:
- Pure. The server imports this file too, so a name or a limit is written down once.
- No order is assumed in any object: MicroPython's dict keeps none.
- Times are whole milliseconds since 1970 (``ms``); on the wire, ISO 8601 in UTC.

The cookie ``bk_<key>`` is eight fields joined by dots, of fixed size but for the last:

    1 . revision . device . a|i . session id . session start . last activity . distinct id

``1`` is the format, ``1y`` the same of a visitor who has said yes (permission.py); ``a`` anonymous, ``i`` identified;
numbers are hexadecimal. Of a visitor who has said no the cookie is the one word ``denied``. The revision counts changes
of identity or session: of two copies (cookie and localStorage, two tabs, two subdomains, the server's) the higher one
is newer. After a yes it counts from the time of that: whoever is left in a copy from before a no is older.
The host percent-encodes the whole value when it writes the cookie, and decodes it when it reads.
"""

import json

from .errors import BadId, BadState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

VERSION = "0.1.0"
LIBRARY = "beknown"  # the value of $lib on every event of this client

STORAGE_PREFIX = "bk_"  # cookie, localStorage and sessionStorage names begin with it, then the project's key

UNASKED = "1"  # the cookie's format
ASKED = "1y"  # the same, and the visitor has said yes
DENIED = "denied"  # the whole cookie, and they have said no
COOKIELESS = "$posthog_cookieless"  # nobody's distinct id: the server puts its hash of the day there, as PostHog's does

INEXACT = 1 << 53  # from here on JavaScript's numbers, and all floats, leave whole numbers out: two users' may be one
MAX_ID = 200  # characters in a distinct id (posthog-server §1.8)
MAX_NAME = 200  # characters in an event's name (posthog-server §1.8)
MAX_BATCH_EVENTS = 100  # events in one request of ours; the server takes more
MAX_BATCH_BYTES = 48000  # fetch(keepalive) and sendBeacon share 64 KiB per page; this leaves room for a second one

# Ids that many people share: claims with them would glue strangers together. The union of PostHog's two lists,
# Segment's and Mixpanel's, and what Python prints for things that are not ids. Compared in lower case, trimmed,
# with one pair of quotes removed.
JUNK_IDS = (
    "-1 [] {} anon anonymous anonymous-user anonymous_user backend distinct_id distinctid email false guest id "
    "jsnull jsproxy jsundefined lmy47d n/a na nan nil none not_authenticated null system true undefined unknown "
    "user $posthog_cookieless"
).split()


# What is trimmed from ids and names: what Python's strip() takes, and U+FEFF, which JavaScript's trim() takes besides.
# Written out, for MicroPython's strip() takes ASCII's alone.
BLANKS = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def trimmed(text: str) -> str:
    """Give a text without the blanks (``BLANKS``) around it, as CPython's ``strip(BLANKS)`` does."""
    first, last = 0, len(text)  # MicroPython's strip() compares bytes: of "voilà" it would leave half a letter
    while first < last and text[first] in BLANKS:
        first += 1
    while first < last and text[last - 1] in BLANKS:
        last -= 1
    return text[first:last]


def checked_id(value: "Any") -> str:
    """Give a distinct id as text; raise BadId, which says what was passed and what to pass instead.

    Whole numbers become text, as in every PostHog client; booleans, objects, blanks, placeholders (``JUNK_IDS``),
    control characters and ids over ``MAX_ID`` characters are refused.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise BadId(_advice(value, "is not text"))
    if is_junk(value):
        raise BadId(_advice(value, "is a placeholder that many people would share"))
    text: str = trimmed(value)
    if any(letter < " " for letter in text):  # the first line of localStorage's text is the cookie
        raise BadId(_advice(text, "contains a line break or another control character"))
    if len(text) > MAX_ID:
        raise BadId(_advice(text[:40] + "…", f"is longer than {MAX_ID} characters"))
    return text


def is_junk(text: str) -> bool:
    """Tell whether a text can be nobody's id: blank, a placeholder, only zeros, dashes, dots, a printed object, or a
    number that was rounded."""
    bare = trimmed(text).lower()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = trimmed(bare[1:-1])
    if not bare.replace("0", "").replace("-", "").replace(".", ""):
        return True  # "", "0", "0.0", "---", the all-zero UUID (Segment blocks ^[0-]*$)
    printed_object = bare.startswith("[object ") or (bare.startswith("<") and bare.endswith(">"))
    return bare in JUNK_IDS or printed_object or "\0" in bare or _is_rounded(bare)


def _is_rounded(text: str) -> bool:
    # As JavaScript and Python print a float of that size: 1e+21, 9007199254740992.0. Hexadecimal ids have no "+".
    if "e+" not in text and not text.endswith(".0"):
        return False
    try:
        return abs(float(text)) >= INEXACT
    except ValueError:
        return False


def _advice(value: "Any", why: str) -> str:
    return (
        f"the distinct id {value!r} {why}. Events under it would merge strangers into one person. "
        "Pass the user's own, lasting id from your database, after log-in."
    )


def cookie_name(key: str) -> str:
    """Give the name of the identity cookie (and of the localStorage entry) for a project's key."""
    return STORAGE_PREFIX + key


def pack_cookie(fields: "dict[str, Any]") -> str:
    """Give the cookie's text for the fields that ``unpack_cookie`` answers with."""
    return ".".join(
        [
            ASKED if fields.get("asked") else UNASKED,
            "%x" % fields["revision"],
            fields["device"],
            "i" if fields["identified"] else "a",
            fields["session"],
            "%x" % int(fields["started"]),
            "%x" % int(fields["active"]),
            fields["distinct_id"],
        ]
    )


def unpack_cookie(text: str) -> "dict[str, Any]":
    """Give ``asked revision device identified session started active distinct_id`` of a cookie's (decoded) text.

    Raises BadState if the text is not a cookie of ours: another format, a damaged number, an empty id.
    """
    parts = text.split(".", 7)
    if (
        len(parts) != 8
        or parts[0] not in (UNASKED, ASKED)
        or parts[3] not in ("a", "i")
        or not parts[2]
        or not parts[7]
    ):
        raise BadState("the stored identity is damaged or not ours; the visitor starts afresh.")
    try:
        revision, started, active = int(parts[1], 16), int(parts[5], 16), int(parts[6], 16)
    except ValueError:
        raise BadState("the stored identity holds a damaged number; the visitor starts afresh.") from None
    return {
        "asked": parts[0] == ASKED,
        "revision": revision,
        "device": parts[2],
        "identified": parts[3] == "i",
        "session": parts[4],
        "started": started,
        "active": active,
        "distinct_id": parts[7],
    }


def iso(ms: float) -> str:
    """Give ISO 8601 text in UTC with milliseconds, such as ``2026-11-23T22:28:20.000Z``, for a time in ms.

    Written out (Howard Hinnant's days-to-civil) because MicroPython has no datetime and its gmtime has an epoch
    of its own on some ports.
    """
    whole = int(ms)
    days, rest = whole // 86400000, whole % 86400000
    z = days + 719468
    era = z // 146097
    day_of_era = z - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_shifted + 2) // 5 + 1
    month = month_shifted + 3 if month_shifted < 10 else month_shifted - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    seconds, millis = rest // 1000, rest % 1000
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (
        year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60, millis,
    )  # fmt: skip


def body(key: str, texts: "Iterable[str]", sent_at: str) -> str:
    """Give the body of a request on PostHog's wire (posthog-server §1.4), from events that are JSON already."""
    return f'{{"api_key": {json.dumps(key)}, "batch": [{",".join(texts)}], "sent_at": "{sent_at}"}}'
