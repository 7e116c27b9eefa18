"""Properties that are read off every event, of one id: in one row per kind, as layers, the one that counts first.

    [[at, uuid, {name: value}, [names unset]], ...]      a name stands in the first layer that wrote it, and in no other

Rules:
- Why: some thirty such properties are read off every event (traits.py). As rows of their own they cost an event
  five times what everything else about it costs; most of them say what was said before, only later.
- What comes out does not depend on the order in which events arrive.
- They are known by their names' beginnings. Other names, which sites choose, have a row each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from ..identity import ONCE, SET, Write
from . import question
from .records import Event
from .writer import Connection

KEY = "$"  # the name of the row
NAMES = ("$", "utm_")  # what such names begin with
INITIAL = "$initial_"


class Layer(NamedTuple):
    """What one event wrote, as far as it still counts; ``uuid`` in hexadecimal digits."""

    at: int
    uuid: str
    values: dict[str, object]
    unset: list[str]


def is_layered(name: str) -> bool:
    """Tell whether properties of this name lie in layers."""
    return name.startswith(NAMES)


def of_event(event: Event, uuid: bytes) -> list[tuple[str, Layer]]:
    """Give what an event writes under such names, by kind. ``$initial_*`` is first touch, however it was sent."""
    now = {name: value for name, value in event.set_.items() if name.startswith(NAMES)}
    first = {name: value for name, value in event.set_once.items() if name.startswith(NAMES)}
    for name in [name for name in now if name.startswith(INITIAL)]:
        first[name] = now.pop(name)
    unset = [name for name in event.unset if name.startswith(NAMES)]
    for name in unset:
        now.pop(name, None)
    digits = uuid.hex()
    found = ((SET, Layer(event.timestamp, digits, now, unset)), (ONCE, Layer(event.timestamp, digits, first, [])))
    return [(kind, layer) for kind, layer in found if layer.values or layer.unset]


def merged(kind: str, layers: Iterable[Layer]) -> list[Layer]:
    """Give layers in the order in which they count, each without what stands in one before it."""
    known: set[str] = set()
    kept = []
    for layer in sorted(layers, key=lambda one: one[:2], reverse=kind == SET):
        if known.issuperset(layer.values) and known.issuperset(layer.unset):
            continue  # as nearly always: the same was said before, or has been said again
        if not known.isdisjoint(layer.values) or not known.isdisjoint(layer.unset):
            values = {name: value for name, value in layer.values.items() if name not in known}
            layer = Layer(layer.at, layer.uuid, values, [name for name in layer.unset if name not in known])
        kept.append(layer)
        known.update(layer.values, layer.unset)
    return kept


def read(text: str) -> list[Layer]:
    """Give the layers of a row's value."""
    return [Layer(*one) for one in orjson.loads(text)]


def written(layers: Iterable[Layer]) -> str:
    """Give a row's value."""
    return orjson.dumps([tuple(layer) for layer in layers]).decode()


def writes_of(kind: str, text: str) -> list[Write]:
    """Give what a row's value says, name by name."""
    return [
        Write(kind, name, value, layer.at, bytes.fromhex(layer.uuid), unset)
        for layer in read(text)
        for values, unset in ((layer.values, False), (dict.fromkeys(layer.unset), True))
        for name, value in values.items()
    ]


def of_write(write: Write) -> Layer:
    """Give one write as a layer."""
    values, unset = ({}, [write.key]) if write.unset else ({write.key: write.value}, [])
    return Layer(write.at, write.uuid.hex(), values, unset)


def put(db: Connection, new: Mapping[tuple[int, str], Sequence[Layer]]) -> None:
    """Lay what was written under an id's number, by kind, among what lies there. The project is locked."""
    old = {
        (row["distinct_id"], row["kind"]): read(row["value"])
        for piece in question.pieces(sorted({number for number, _ in new}))
        for row in db.all("property.layers", ids=piece)
    }
    found = {place: merged(place[1], [*old.get(place, ()), *more]) for place, more in new.items()}
    db.many(
        "property.lay",
        [
            {
                "distinct_id": number,
                "key": KEY,
                "kind": kind,
                "value": written(now),
                "at": now[0].at,
                "uuid": bytes.fromhex(now[0].uuid),
            }
            for (number, kind), now in sorted(found.items())
            if now != old.get((number, kind))
        ],
    )
