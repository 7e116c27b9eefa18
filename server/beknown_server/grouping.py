"""What an event says of groups: the one that it describes ($groupidentify), and those that it belongs to ($groups).

Rules (posthog-server §1.8, §2.8, §2.9):
- Pure. A type and a key are read alike, wherever they stand; a key becomes text as an id does.
- What is no group is complained of, leaves ``$groups`` and costs itself only.
- An event that asks for no person profile belongs to no group, and its ``$groups`` does not stay to be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from beknown.wire import MAX_NAME, trimmed

from .bags import as_id, clean, shown
from .store import Group
from .traits import Complain

MAX_GROUP = 400  # characters of a key
MOST_NAMED = 50  # groups of one event, far beyond the five types of a project

Bag = dict[str, Any]


def groups(name: str, properties: Bag, complain: Complain) -> Sequence[Group]:
    """Give the groups that an event names, each once; ``properties`` keep what is left of ``$groups``."""
    if properties.get("$process_person_profile") is False:
        properties.pop("$groups", None)
        return ()
    named, describes = properties.get("$groups"), name == "$groupidentify"
    if not named and not describes:
        return ()
    found = {}
    if describes and (place := _place(properties.get("$group_type"), properties.get("$group_key"), complain)):
        found[place] = Group(*place, _set(properties.get("$group_set"), complain))
    if isinstance(named, dict):
        properties["$groups"] = {}
        for kind, key in islice(named.items(), MOST_NAMED):
            if place := _place(kind, key, complain):
                properties["$groups"][kind] = key
                found.setdefault(place, Group(*place, {}))
        if len(named) > MOST_NAMED:
            complain("too_many_groups", f"$groups of {len(named)} types")
    elif named:
        complain("group_without_name", f"$groups: {shown(named)}")
    return tuple(found.values())


def _place(kind: Any, key: Any, complain: Complain) -> tuple[str, str] | None:
    """Give the type and the key of a group as they are stored, or None if it has none."""
    text = as_id(key)
    if not isinstance(kind, str) or not trimmed(kind) or key is None or not trimmed(text):
        complain("group_without_name", f"{shown(kind)}: {shown(key)}")
    elif len(text) > MAX_GROUP:
        complain("group_key_too_long", f"{shown(kind)}: {shown(key)}")
    else:
        return clean(kind)[:MAX_NAME], clean(text)
    return None


def _set(given: Any, complain: Complain) -> Bag:
    if given is not None and not isinstance(given, dict):
        complain("group_set_not_an_object", shown(given))
    bag = given if isinstance(given, dict) else {}
    return {clean(one)[:MAX_NAME]: bag[one] for one in bag}
