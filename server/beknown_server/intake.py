"""One event as it came, made into one that can be stored; or the reason why it cannot.

Rules (posthog-server §1.5, §1.8, §1.9, §2):
- Pure: ``now`` and the uuid for an event that has none are handed in.
- What can be mended is mended and complained about; what cannot is skipped alone, never the batch around it.
- Who complains says of whom: the example names the library and the page that the event came from.
- A clock is corrected only if it is off by more than SKEW_MS: a smaller difference is the network's, and
  correcting by it would put a device's events into the wrong order (PostHog issue 98250).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from beknown.signature import is_signed_with
from beknown.wire import BLANKS, MAX_ID, MAX_NAME, is_junk

from . import agent
from .bags import as_id, clean, kept_id, plain_bag, shown
from .grouping import MAX_GROUP, MOST_NAMED, groups
from .identity import ALIAS, CLAIM, CLAIMING, FORCED, NAMED, refused_for_good
from .moments import micros, moment
from .store import Claim, Event
from .traits import MAX_SET, traits

SKEW_MS = 60_000
FUTURE_MS = 23 * 3600 * 1000
MAX_EVENT = 1 << 20  # bytes of one event's properties (posthog-server §1.8: one Kafka message upstream)
MAX_SESSION = 100

NEED_A_PROFILE = ("$identify", "$create_alias", "$merge_dangerously", "$groupidentify")  # posthog-server §2.8
NOBODYS = ("$groupidentify", "$feature_flag_called")  # about a group or a flag: they make no person

BEYOND_US = "not understood"
SIGNATURE, VERIFIED = "$signature", "$verified"

# code -> what to do about it; the text of the warnings page
FIXES = {
    "id_too_long": f"Ids have at most {MAX_ID} characters; the rest was cut. Send the user's id, not a token.",
    "id_not_text": "It was kept as its JSON text, which another sender may write otherwise; large numbers are rounded. "
    "Send ids as text.",
    "id_with_nul": "The NUL was replaced by U+FFFD: databases cannot keep it. Look where the sender reads the id.",
    "name_too_long": f"Names have at most {MAX_NAME} characters; the rest was cut. Put what varies into a property.",
    "junk_id": "Many people would share this id. The events are kept under it. Send the user's own id, or none.",
    "bad_timestamp": "The time could not be read and was replaced by the time of arrival. Send ISO 8601.",
    "future_timestamp": "The time lies over 23 hours ahead and was replaced by the time of arrival.",
    "property_dropped": "Send plain JSON values of modest depth and size.",
    "properties_not_an_object": "The event was kept without its properties. Send them as an object.",
    "set_too_large": f"The event was kept, but its $set and $set_once of over {MAX_SET} bytes wrote nothing.",
    "group_key_too_long": f"Group keys have at most {MAX_GROUP} characters; the group was left out of the event.",
    "group_without_name": "A group has a type and a key: {$groups: {company: 'acme'}}. What has not was left out.",
    "group_set_not_an_object": "The group was noted, without properties. Send $group_set as an object.",
    "too_many_groups": f"An event belongs to at most {MOST_NAMED} groups; the rest was left out.",
    "too_many_group_types": "A project has five types of groups, the first that came; this event made no group.",
    "forgotten": "It names somebody who was deleted after it happened, so it was not stored. Nothing is to be done.",
    "invalid_process_person_profile": "Only true and false are understood; the event was taken as true.",
    "personless_identity": "Without a person profile it cannot identify, alias, merge or tell of a group; it is kept.",
}

# why an event is left out -> what to do about it
SKIPS = {
    "not an object": "A batch is a list of objects. Look what the sender puts into it.",
    "no event name": 'Give each event a name: {"event": "signed up", ...}.',
    "no distinct_id": "Say whose event it is: {\"distinct_id\": ...}, the user's id or the visitor's anonymous one.",
    "blank distinct_id": "The id is empty or only blanks. Send the user's own id, or the visitor's anonymous one.",
    "uuid is not a UUID": "Leave uuid out, or send a UUID: it is what a repeat is known by.",
    "event over 1 MiB": "Send a reference to large content, not the content itself.",
    BEYOND_US: "That is a fault of ours: please report it with the server's log.",
    # what only the newer wire is strict about (envelope.py)
    "event name too long": f"Names have at most {MAX_NAME} characters. Put what varies into a property.",
    "distinct_id too long": f"Ids have at most {MAX_ID} characters. Send the user's id, not a token.",
    "timestamp is not RFC 3339": "Send the event's time with its zone, such as 2026-11-23T22:00:00Z.",
    "properties are not an object": "Send them as an object of names and values.",
    "options are not understood": "Its switches are true or false; product_tour_id is text.",
}

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Complaints = list[tuple[str, str]]  # code of FIXES, example


# rule of identity.py that refused a claim -> what to do about it
CLAIM_FIXES = {
    "junk_id": "Identify with the user's own, lasting id from your database, after log-in.",
    "same_id": "Identify with the user's id, not with the visitor's own anonymous one.",
    "not_allowed": "Anybody could send $merge_dangerously with a public key. Allow it in the project's options.",
    "unsigned": "Signed identities are demanded: have your backend sign the user's id. Operators merge users.",
    "already_identified": "Call reset() when a user logs out: the next one on this device needs an id of their own.",
}


class Skip(Exception):
    """This event cannot be used; the message is the reason, one of SKIPS."""


class Taken(NamedTuple):
    """An event that can be stored, and what was wrong with it."""

    event: Event
    complaints: Complaints


@dataclass(frozen=True, slots=True)
class Terms:
    """What the request and the project say about its events: clocks, options, and a maker of uuids."""

    now: int
    sent_at: int | None
    options: dict[str, Any]
    new_uuid: Callable[[int], str]
    nameless_is_identify: bool = False
    signers: Sequence[bytes] = ()  # SHA-256 of each secret key, where the project demands signed identities
    keeps_marks: bool = False  # the event is one of ours that comes back: it was marked as verified, or not, then

    @property
    def demands_signatures(self) -> bool:
        """Tell whether a claim needs the signature of the user's id."""
        return bool(self.options.get("signed_identities"))


def taken(raw: Any, terms: Terms) -> Taken:
    """Give the event ready to store; raise Skip with the reason why it cannot be used."""
    if not isinstance(raw, dict):
        raise Skip("not an object")
    complaints: Complaints = []
    given = raw.get("properties")
    name = _name(raw, complaints, terms)
    whole_id = _distinct_id(raw, given, complaints)
    distinct_id = kept_id(whole_id)
    properties = _properties(given, complaints)
    properties |= agent.told(properties)
    timestamp, ahead = _timestamp(raw, properties, terms, complaints)

    def complain(code: str, example: str) -> None:
        complaints.append((code, example))

    set_, once, unset = traits(raw, properties, name, complain)
    session = properties.get("$session_id")
    claim, signed = _claim(name, whole_id, given, terms, complaints)
    for key in CLAIMING if _lacks_its_profile(name, properties) else ():
        properties.pop(key, None)  # no fact tells of that id, so its deletion would not find it here
    properties.pop(SIGNATURE, None)  # whoever could read it could make the same claim
    if not terms.keeps_marks:
        properties.pop(VERIFIED, None)  # anybody could say so of themselves
    if claim and terms.demands_signatures:
        properties[VERIFIED] = signed
    event = Event(
        _uuid(raw.get("uuid"), terms),
        name,
        distinct_id,
        timestamp,
        properties,
        set_,
        once,
        unset,
        clean(session)[:MAX_SESSION] if isinstance(session, str) else None,
        claim,
        name not in NOBODYS,
        groups(name, properties, complain),
        _written(properties),
        micros(raw.get("timestamp")),
        ahead,
    )
    if complaints:
        sender = origin(raw)
        complaints = [(code, text + sender) for code, text in complaints]
    return Taken(event, complaints)


def described(raw: Any) -> str:
    """Give an event that cannot be used as the warnings page shows it: its name, whose it is, where it came from."""
    if not isinstance(raw, dict):
        return shown(raw)
    parts = [f"{key}: {shown(raw[key])}" for key in ("event", "distinct_id", "uuid") if key in raw]
    return (", ".join(parts) or "{}") + origin(raw)


def origin(raw: dict[str, Any]) -> str:
    """Give `` (<library> on <page>)`` as far as an event says so. What follows a ``?`` may be personal: left out."""
    inner = raw.get("properties")
    known = inner if isinstance(inner, dict) else {}
    library = " ".join(known[key][:40] for key in ("$lib", "$lib_version") if isinstance(known.get(key), str))
    page = known.get("$current_url")
    where = page.partition("?")[0].partition("#")[0][:200] if isinstance(page, str) else ""
    said = " ".join(part for part in (library, f"on {where}" if where else "") if part)
    return f" ({said})" if said else ""


def _written(properties: dict[str, Any]) -> str:
    text = orjson.dumps(properties)
    if len(text) > MAX_EVENT:
        raise Skip("event over 1 MiB")
    return text.decode()


def _properties(given: Any, complaints: Complaints) -> dict[str, Any]:
    if given is not None and not isinstance(given, dict):
        complaints.append(("properties_not_an_object", shown(given)))
    properties, dropped = plain_bag(given if isinstance(given, dict) else {}, "properties")
    complaints += [("property_dropped", text) for text in dropped]
    return properties


def _name(raw: dict[str, Any], complaints: Complaints, terms: Terms) -> str:
    name = raw.get("event")
    if name in (None, "") and terms.nameless_is_identify:
        return "$identify"
    if not isinstance(name, str) or not name.strip(BLANKS):
        raise Skip("no event name")
    if len(name) > MAX_NAME:
        complaints.append(("name_too_long", shown(name)))
    return clean(name[:MAX_NAME])


def _distinct_id(raw: dict[str, Any], properties: Any, complaints: Complaints) -> str:
    inner = properties if isinstance(properties, dict) else {}
    found = [raw.get("distinct_id"), raw.get("$distinct_id"), inner.get("distinct_id"), inner.get("$distinct_id")]
    value = next((one for one in found if one is not None), None)
    if value is None:
        raise Skip("no distinct_id")
    text = as_id(value)
    if not text.strip(BLANKS):
        raise Skip("blank distinct_id")
    complaints += _doubts(value, text)
    return text


def _doubts(value: Any, text: str) -> Complaints:
    """Give what is wrong with an id that came as ``value`` and is kept as ``text``."""
    if value is text and len(text) <= MAX_ID and _is_fine(text):
        return []
    example = shown(clean(text))
    found = [("id_not_text", example)] if not isinstance(value, str) else []
    if "\0" in text:
        found.append(("id_with_nul", example))
    elif is_junk(text[:MAX_ID]):  # as it is kept
        found.append(("junk_id", example))
    if len(text) > MAX_ID:
        found.append(("id_too_long", example))
    return found


def _uuid(value: Any, terms: Terms) -> str:
    if value is None or value == "":
        return terms.new_uuid(terms.now)
    try:
        return value if _UUID.fullmatch(value) else str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise Skip("uuid is not a UUID") from None


@lru_cache(maxsize=10_000)
def _is_fine(text: str) -> bool:
    return "\0" not in text and not is_junk(text)  # remembered: a visitor's id comes with each of their events


def _timestamp(
    raw: dict[str, Any], properties: dict[str, Any], terms: Terms, complaints: Complaints
) -> tuple[int, int]:
    """Give when it happened, and by how much that is known to be too late and was left as it is."""
    at = moment(raw.get("timestamp"))
    if at is None and raw.get("timestamp") not in (None, ""):
        complaints.append(("bad_timestamp", shown(raw["timestamp"])))
    offset = raw.get("offset")
    if at is None and isinstance(offset, (int, float)) and not isinstance(offset, bool) and 0 <= offset < 1e13:
        return terms.now - int(offset), 0
    if at is None:
        return terms.now, 0
    skew = 0 if terms.sent_at is None or properties.get("$ignore_sent_at") is True else terms.sent_at - terms.now
    if abs(skew) > SKEW_MS:
        at, skew = at - skew, 0
    if at > terms.now + FUTURE_MS:
        complaints.append(("future_timestamp", shown(raw["timestamp"])))
        return terms.now, 0
    return max(at, 0), max(skew, 0)


def _claim(
    name: str, distinct_id: str, properties: Any, terms: Terms, complaints: Complaints
) -> tuple[Claim | None, bool]:
    """Give what the event says about identity, and whether that is signed as far as it must be.

    The source is absorbed, the event's own id is meant to survive.
    """
    given = properties if isinstance(properties, dict) else {}
    if _lacks_its_profile(name, given):
        complaints.append(("personless_identity", f"{name} for {shown(distinct_id)}"))
        return None, False
    found = _said(name, distinct_id, given)
    if found is None:
        return None, False
    kind, value = found
    source = as_id(value)
    complaints += [(code, text) for code, text in _doubts(value, source) if code != "junk_id"]  # that is told below
    allowed = bool(terms.options.get("merge_dangerously"))
    signed = not terms.demands_signatures or any(
        is_signed_with(user, given.get(SIGNATURE), terms.signers) for user in _users(kind, source, distinct_id)
    )
    refused = refused_for_good(kind, source, distinct_id, allowed=allowed, signed=signed)
    return Claim(kind, kept_id(source), kept_id(distinct_id), refused), signed


def _lacks_its_profile(name: str, properties: dict[str, Any]) -> bool:
    return name in NEED_A_PROFILE and properties.get("$process_person_profile") is False


def _said(name: str, distinct_id: str, given: dict[str, Any]) -> tuple[str, Any] | None:
    """Give the kind of fact that an event states, and its source (posthog-server §2.3)."""
    if name == "$identify" and "$anon_distinct_id" in given:
        return CLAIM, given["$anon_distinct_id"]
    if name == "$identify" and given.get("$previous_user"):  # our tag's: a user took over without reset()
        return NAMED, distinct_id
    if name in ("$create_alias", "$merge_dangerously") and given.get("alias"):
        return ALIAS if name == "$create_alias" else FORCED, given["alias"]
    return None


def _users(kind: str, source: str, distinct_id: str) -> tuple[str, ...]:
    """Give whose signature would do. A forced merge takes two users, and no one of them may speak for the other."""
    if kind == FORCED:
        return ()
    # PostHog's clients do not agree which way round an alias is (posthog-server §4.1): either side may be the user.
    return (distinct_id, source) if kind == ALIAS else (distinct_id,)
