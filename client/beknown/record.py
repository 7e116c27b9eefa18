"""What a backend says of somebody: one event on PostHog's wire, made from a call of ``beknown.backend``.

Rules:
- Pure: id and time of the event, and the context it happens in, are handed in.
- Never an id of our own making: a call without one raises BadId, which quotes the ladder.
- Later wins: what the context knows < the caller's properties < what only we may say (library, session).
- Our server and PostHog read the same events: person properties stand at the top, as posthog-python puts them.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from . import wire
from .errors import BadCall, BadId, BadValue, NotSent
from .ids import is_uuid
from .values import plain, plain_properties, unknown

_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

LIBRARY = wire.LIBRARY + "-python"
MAX_BYTES = 900 * 1024  # of one event: PostHog's collectors refuse larger ones (posthog-server §1.8)

# What stands on every event of a server: it is one, so its address and system are not the person's (§4.5, §4.6).
OURS = {"$lib": LIBRARY, "$lib_version": wire.VERSION, "$is_server": True, "$geoip_disable": True}

LADDER = (
    "Events are only as good as their ids: 1. the same id in every session (your user's own), 2. the same id in many "
    "sessions (the visitor's cookie), 3. within one session only, 4. a new id for every event, which counts "
    "everybody again each time. A random id would be rung 4, so none is made up."
)

# Events and properties that say something of the person, or of their group; collectors drop it of whom has no profile.
TELLING = ("$identify", "$set", "$create_alias", "$groupidentify", "$set_once", "$unset", "$groups")

Properties = dict[str, Any]


def whose(distinct_id: Any, call: str) -> str:
    """Give a distinct id as text; raise BadId, which says where to find one, if it is missing or a placeholder."""
    if distinct_id is None or (isinstance(distinct_id, str) and not distinct_id.strip(wire.BLANKS)):
        raise BadId(
            f"{call} has no distinct id and was not sent. Pass your user's id, or call it inside identify_context(), "
            f"which the Flask, Django and ASGI integrations open for each request with a known visitor. {LADDER}"
        )
    return wire.checked_id(str(distinct_id) if isinstance(distinct_id, UUID) else distinct_id)


def named(event: Any) -> str:
    """Give an event's name, cut at the wire's limit; raise BadCall if it is none."""
    if not isinstance(event, str) or not event.strip(wire.BLANKS):
        raise BadCall(f"capture() needs the event's name as text, not {event!r}; nothing was sent.")
    return event[: wire.MAX_NAME]


def of_group(kind: Any, key: Any) -> tuple[Properties, str]:
    """Give how an event names a group, and the distinct id of what is said of it by nobody; raise BadCall without."""
    named = isinstance(key, (str, int, UUID)) and not isinstance(key, bool) and str(key).strip(wire.BLANKS)
    if not (isinstance(kind, str) and kind.strip(wire.BLANKS) and named):
        raise BadCall(
            f"group_identify() needs a type and a key, as in group_identify('company', 'acme'), not {kind!r} and "
            f"{key!r}; nothing was sent."
        )
    return {"$group_type": kind, "$group_key": str(key)}, f"${kind}_{key}"


def build(
    event: str,
    distinct_id: str,
    properties: Any,
    *,
    uuid: str,
    at: float,
    context: Properties,
    only_ours: Properties,
    top: Properties | None = None,
    within: Properties | None = None,
) -> tuple[Properties, list[str]]:
    """Give the event, and one sentence for each property that had to be left out. ``at`` in ms since 1970.

    ``top``, ``within``: further bags by name, which go beside the event's properties and into them.
    """
    kept, complaints = _bag(properties, "properties")
    for name, given in (within or {}).items():
        bag, more = _bag(given, name)
        complaints += more
        if bag:
            kept[name] = bag
    found: Properties = {
        "uuid": uuid,
        "event": event,
        "distinct_id": distinct_id,
        "timestamp": wire.iso(at),
        "properties": {**context, **kept, **only_ours, **OURS},
    }
    for name, given in (top or {}).items():
        found[name], more = _bag(given, name)
        complaints += more
    return found, complaints


def _bag(given: Any, what: str) -> tuple[Properties, list[str]]:
    """Give the usable part of any mapping. A dict stays as it is: a MultiDict's own items are what is meant."""
    is_other = isinstance(given, Mapping) and not isinstance(given, dict)
    return plain_properties(dict(given) if is_other else given, what, converted)


def is_about_person(event: str, properties: Any, within: Properties | None = None) -> bool:
    """Tell whether an event says something of the person whose it is, beside that it happened."""
    names = [name for name, bag in (within or {}).items() if isinstance(bag, Mapping) and len(bag)]
    names += properties if isinstance(properties, Mapping) else []
    return event in TELLING or any(name in TELLING for name in names)


def encoded(event: Properties) -> str:
    """Give an event as JSON; raise NotSent if it is larger than any collector takes, BadValue if it is not plain."""
    try:
        text = _JSON.encode(event)
    except (TypeError, ValueError) as fault:
        raise BadValue(f"the event cannot be written as JSON ({fault}) and was not sent. Mend before_send.") from None
    if len(text) > MAX_BYTES:
        raise NotSent(f"the event {event['event']!r} is {len(text)} bytes, over {MAX_BYTES}, and was not sent.")
    return text


def moment(timestamp: datetime | None, now: float) -> float:
    """Give the ms of an event's time; without one, ``now``. A time without zone is UTC, as in posthog-python."""
    if timestamp is None:
        return now
    if not isinstance(timestamp, datetime):
        raise BadCall(f"timestamp must be a datetime, not {type(timestamp).__name__}; nothing was sent.")
    aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return aware.timestamp() * 1000


def checked_uuid(uuid: UUID | str) -> str:
    """Give the event's own id as text; raise BadCall if it is none. Sent twice, it is stored once."""
    if not is_uuid(str(uuid)):
        raise BadCall(f"uuid must be a UUID, not {uuid!r}; nothing was sent.")
    return str(uuid)


def converted(value: Any, where: str) -> Any:
    """Give a backend's value as plain data; raise BadValue naming the place ``where`` it cannot be."""
    try:
        return plain(value, where, ordinary)
    except BadValue:
        raise
    except Exception as fault:  # of the value's own methods
        raise BadValue(f"{where} could not be read ({fault!r}); left out.") from None


def ordinary(value: Any, where: str) -> Any:
    """Give what backends hold beside JSON's own types as such: numbers, ids, enums, bytes, sets, records."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    if hasattr(value, "model_dump"):  # pydantic
        return value.model_dump()
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of numpy's
        return value.item()
    try:
        return dict(value.items()) if hasattr(value, "items") else list(value)
    except TypeError:
        return unknown(value, where)
