"""Who is who, the slow and obvious way: the rules of identity.py read aloud, sharing no code with it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Said(NamedTuple):
    """x was y (claim), x is another name of y (alias), x goes into y (forced_merge), y is a user (named); or nothing.

    With it, what was set on y: ``once``, ``set`` and ``unset``. ``refused``: by a rule that looks at nothing else.
    """

    at: int
    uuid: str
    kind: str
    x: str
    y: str
    set: tuple[tuple[str, Any], ...] = ()
    once: tuple[tuple[str, Any], ...] = ()
    unset: tuple[str, ...] = ()
    refused: str | None = None


def persons(said: list[Said]) -> dict[str, tuple[frozenset[str], str, bool]]:
    """Give for each id the ids of its person, which of them survives, and whether it is identified."""
    return told(said)[0]


def told(said: list[Said]) -> tuple[dict[str, tuple[frozenset[str], str, bool]], dict[str, str]]:
    """Give the persons, and the rule that decided each thing that was said about two ids."""
    person: dict[str, dict] = {}
    log: dict[str, str] = {}
    for one in sorted(set(said)):
        for name in (one.x, one.y):
            person.setdefault(name, {"ids": {name}, "survivor": name, "identified": False})
        x, y = person[one.x], person[one.y]
        if not one.kind or one.refused:
            log |= {one.uuid: one.refused} if one.refused else {}
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


def properties(said: list[Said], ids: frozenset[str]) -> dict[str, Any]:
    """Give what is set on the person with these ids: the first $set_once of a key counts, and no later one."""
    found: dict[str, Any] = {}
    touched: set[str] = set()
    for one in sorted(set(said)):
        if one.y not in ids:
            continue
        found = {**{key: value for key, value in one.once if key not in touched}, **found, **dict(one.set)}
        touched |= {key for key, _ in one.once}
        for key in one.unset:
            found.pop(key, None)
    return found
