"""Who is who, the slow and obvious way: the rules of identity.py read aloud, sharing no code with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

JUNK = ("", "null", "nan")  # those that histories have; every spelling is walked in tests/client
Bag = tuple[tuple[str, Any], ...]


class Said(NamedTuple):
    """x was y (claim), x is another name of y (alias), x goes into y (forced_merge), y is a user (named); or nothing.

    With it, what was set on y: ``once``, ``set`` and ``unset``; and the ``group`` that it names: type, key and what was
    set on that. ``signed`` as far as it must be, ``allowed`` by the project; not ``personal``: it makes nobody of y.
    """

    at: int
    uuid: str
    kind: str
    x: str
    y: str
    set: Bag = ()
    once: Bag = ()
    unset: tuple[str, ...] = ()
    signed: bool = True
    allowed: bool = True
    personal: bool = True
    micros: int | None = None
    group: tuple[str, str, Bag] | None = None


def refused(one: Said) -> str | None:
    """Give the rule that refuses it whatever else was said, or None."""
    if any(len(name) > 200 or name.strip(" '").lower() in JUNK for name in (one.x, one.y)):
        return "junk_id"
    if one.x == one.y and one.kind != "named":
        return "same_id"
    if one.kind == "forced_merge" and not one.allowed:
        return "not_allowed"
    return None if one.signed else "unsigned"


def persons(said: Iterable[Said]) -> dict[str, tuple[frozenset[str], str, bool]]:
    """Give for each id the ids of its person, which of them survives, and whether it is identified."""
    return told(said)[0]


def told(said: Iterable[Said]) -> tuple[dict[str, tuple[frozenset[str], str, bool]], dict[str, str]]:
    """Give the persons, and the rule that decided each thing that was said about two ids, in the order it happened."""
    person: dict[str, dict] = {}
    log: dict[str, str] = {}
    for one in sorted(set(said)):
        for name in (one.x, one.y):
            person.setdefault(name, {"ids": {name}, "survivor": name, "identified": False})
        x, y = person[one.x], person[one.y]
        final = refused(one) if one.kind else None
        if not one.kind or final:
            log |= {one.uuid: final} if final else {}
            continue
        blocked = x is not y and x["identified"] and (one.kind == "claim" or (one.kind == "alias" and y["identified"]))
        outcome = "already_linked" if x is y else "already_identified" if blocked else one.kind
        log[one.uuid] = "named" if one.kind == "named" else outcome
        if one.kind in ("claim", "named") and not y["identified"]:
            y.update(survivor=one.y, identified=True)
        if x is y or blocked:
            continue
        keep, lose = (x, y) if one.kind == "alias" and x["identified"] else (y, x)
        keep["ids"] |= lose["ids"]
        keep["identified"] |= lose["identified"]
        for name in lose["ids"]:
            person[name] = keep
    return {name: (frozenset(one["ids"]), one["survivor"], one["identified"]) for name, one in person.items()}, log


def place(one: Said) -> tuple[int, str]:
    """Give when it happened, to what can be told of it: the microseconds, if any, go before the uuid."""
    digits = one.uuid.replace("-", "")
    return one.at, digits if one.micros is None else f"{one.micros:04x}{digits}"


def properties(said: Iterable[Said], ids: frozenset[str]) -> dict[str, Any]:
    """Give what is set on the person with these ids: the first $set_once of a key counts, and no later one."""
    found: dict[str, Any] = {}
    touched: set[str] = set()
    for one in sorted(set(said), key=place):
        if one.y not in ids:
            continue
        first = {key: value for key, value in one.set if key.startswith("$initial_")}
        once = {**dict(one.once), **first}
        latest = {key: value for key, value in one.set if key not in first}
        found = {**{key: value for key, value in once.items() if key not in touched}, **found, **latest}
        touched |= once.keys()
        for key in one.unset:
            found.pop(key, None)
    return found


def somebody(seen: Iterable[Said]) -> set[str]:
    """Give the ids that make persons: of whom something was seen, or said that was not refused for good."""
    return {one.y for one in seen if one.personal} | {
        name for one in seen if one.kind and not refused(one) for name in (one.x, one.y)
    }


def groups(seen: Iterable[Said]) -> dict[tuple[str, str], tuple[int, int, dict[str, Any]]]:
    """Give by type and key when each group was first and last seen, and the latest of all that was set on it."""
    found: dict[tuple[str, str], tuple[int, int, dict[str, Any]]] = {}
    for one in sorted(set(seen), key=place):
        if one.group:
            type, key, bag = one.group
            first, _, known = found.get((type, key), (one.at, one.at, {}))
            found[type, key] = (first, one.at, {**known, **dict(bag)})
    return found
