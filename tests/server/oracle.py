"""Who is who, the slow and obvious way: the rules of identity.py read aloud over facts in order, sharing no code."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """x was y (claim), x is another name of y (alias), x goes into y (forced_merge)."""

    at: int
    uuid: str
    kind: str
    x: str
    y: str


def persons(said: list[Said]) -> dict[str, tuple[frozenset[str], str, bool]]:
    """Give for each id the ids of its person, which of them survives, and whether it is identified."""
    person: dict[str, dict] = {}
    for one in sorted(set(said)):
        for name in (one.x, one.y):
            person.setdefault(name, {"ids": {name}, "survivor": name, "identified": False})
        x, y = person[one.x], person[one.y]
        if one.kind in ("claim", "named") and not y["identified"] and (x is y or x["identified"]):
            y.update(survivor=one.y, identified=True)
        if x is y or (one.kind == "claim" and x["identified"]):
            continue
        if one.kind == "alias" and x["identified"] and y["identified"]:
            continue
        keep, lose = (x, y) if one.kind == "alias" and x["identified"] else (y, x)
        keep["ids"] |= lose["ids"]
        if one.kind == "claim" and not keep["identified"]:
            keep.update(survivor=one.y, identified=True)
        keep["identified"] |= lose["identified"]
        for name in lose["ids"]:
            person[name] = keep
    return {name: (frozenset(one["ids"]), one["survivor"], one["identified"]) for name, one in person.items()}
