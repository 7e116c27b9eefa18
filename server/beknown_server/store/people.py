"""Persons as they are read: resolved now, from the clusters and the properties of their ids.

Rules:
- Nothing is stored about a person as a whole: a merge is retroactive the moment it is committed, and so is its undo.
- A person is shown by e-mail or name; a user else by id; a visitor as ``Visitor 1a2b``, the end of the anonymous id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import orjson

from ..bags import kept_id
from ..identity import ONCE, REFUSED, Write, folded, winners
from . import layers, question
from .records import Explanation, Link, Origin, Person, PersonRef, Place
from .writer import Connection

PERSONS_AT_ONCE = 20_000  # whose properties are in memory
NAMES = ["email", "name", "username"]  # person properties that name somebody, the best first


def refs(db: Connection, keys: Iterable[int]) -> dict[int, PersonRef]:
    """Give what is shown of the persons with these cluster numbers."""
    found: dict[int, PersonRef] = {}
    for piece in question.pieces(sorted(set(keys))):
        properties = _properties(db, piece, names=NAMES)
        for head in db.all("person.heads", keys=piece):
            identified = bool(head["identified"])
            name = _name(properties[head["person"]], head["name"], identified)
            found[head["person"]] = PersonRef(_text(head["uuid"]), name, identified)
    return found


def find(db: Connection, project_id: int, name: str) -> int | None:
    """Give the cluster number for a distinct id or a person's id, or None if it was never seen."""
    row = find_row(db, project_id, name)
    return None if row is None else row["person"]


def find_row(db: Connection, project_id: int, name: str, *, nobodys: bool = False) -> Any:
    """Give the row (``id``, ``person``, ``name``) of an id, or None; also by the id of the person that it once was.

    It is looked for as it was stored: cut, and mended, where the site's own is longer or holds what no database takes.
    ``nobodys``: also of an id that is no person's, of which only a flag, a group or a refused claim told.
    """
    personal, kept = None if nobodys else True, kept_id(name)
    rows = db.all("distinct_id.find", project_id=project_id, name=kept, uuid=_bytes(name), personal=personal)
    return rows[0] if rows else None


def wanted(search: str) -> dict[str, str | None]:
    """Give the values of person.list for a search: part of an id, an e-mail or a name, or ``property=part``."""
    key, equals, part = (text.strip() for text in search.partition("="))
    asked = {"pattern": _containing(search) if search.strip() else None, "key": "", "part": _containing(part)}
    if equals and part and layers.is_layered(key):  # more than is wanted is found: see is_wanted
        return {**asked, "key": layers.KEY, "part": _containing(f'"{key}":') + _containing(part)[1:]}
    return {**asked, "key": key} if equals and part else asked


def is_wanted(person: Person, search: str) -> bool:
    """Tell whether somebody whom person.list found for a search has what was searched for."""
    key, equals, part = (text.strip() for text in search.partition("="))
    if not (equals and part and layers.is_layered(key)):
        return True
    value = person.properties.get(key)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return part.lower() in text.lower() or any(search.strip().lower() in one.lower() for one in person.distinct_ids)


def listed(db: Connection, project_id: int, *, search: str, limit: int, before: Place | None) -> list[Person]:
    """Give persons, the latest seen first: those who stand behind a place, whom a search finds."""
    found: list[Person] = []
    ids = _ids(db, project_id, search, before, limit)
    while len(found) < limit and (rows := list(islice(ids, limit))):
        # Who stands before the place, by a later id, is met here again by an earlier one.
        places = {(row["last_seen"], row["id"]) for row in rows}
        here = (one for one in persons(db, [row["person"] for row in rows]) if one.place in places)
        found += [one for one in here if is_wanted(one, search)]
    return found[:limit]


def _ids(db: Connection, project_id: int, search: str, before: Place | None, size: int) -> Iterator[Any]:
    """Give what person.list gives, of each person the first; more and more at a time, for one may have very many."""
    met: set[int] = set()
    at, beside = before or (None, None)
    while True:
        rows = db.all("person.list", project_id=project_id, limit=size, before=at, beside=beside, **wanted(search))
        for row in rows:
            if row["person"] not in met:
                met.add(row["person"])
                yield row
        if len(rows) < size:
            return
        at, beside, size = rows[-1]["last_seen"], rows[-1]["id"], 2 * size


def persons(db: Connection, keys: list[int]) -> list[Person]:
    """Give the persons with these cluster numbers, in this order."""
    found: dict[int, Person] = {}
    for piece in question.pieces(keys):
        properties = _properties(db, piece)
        heads = {row["person"]: row for row in db.all("person.heads", keys=piece)}
        ids: dict[int, list[Any]] = defaultdict(list)
        for row in db.all("distinct_id.of_person", keys=piece):
            ids[row["person"]].append(row)
        for key, head in heads.items():
            found[key] = _person(head, ids[key], properties[key])
    return [found[key] for key in keys if key in found]


def _person(head: Any, ids: list[Any], properties: dict[str, Any]) -> Person:
    identified = bool(head["identified"])
    return Person(
        person_id=_text(head["uuid"]),
        name=_name(properties, head["name"], identified),
        distinct_ids=[head["name"], *(row["name"] for row in ids if row["name"] != head["name"])],
        is_identified=identified,
        properties=properties,
        first_seen=min(row["first_seen"] for row in ids),
        last_seen=max(row["last_seen"] for row in ids),
        event_count=sum(row["event_count"] for row in ids),
        place=Place(*max((row["personal"], row["last_seen"], row["id"]) for row in ids)[1:]),
    )


def texts(db: Connection, project_id: int, keys: list[str], *, shared: bool = False) -> Iterator[tuple[int, str, str]]:
    """Give (cluster number, key, text) for every person of a project who has one of these properties, page by page."""
    layered = [layers.KEY] if any(layers.is_layered(key) for key in keys) else []
    asked = {"project_id": project_id, "names": [*keys, *layered]}
    if shared:
        yield from _texts(db.all("property.shared", **asked), keys)
        return
    for after in range(0, db.all("distinct_id.last")[0]["id"], PERSONS_AT_ONCE):
        rows = db.all("property.of_project", **asked, after=after, until=after + PERSONS_AT_ONCE)
        yield from _texts(rows, keys)


def _texts(rows: Iterable[Any], keys: list[str]) -> Iterator[tuple[int, str, str]]:
    found: dict[int, list[Write]] = defaultdict(list)
    for row in rows:
        found[row["person"]] += [write for write in writes_of(row) if write.key in keys]
    for person, writes in found.items():
        for key, value in folded(writes).items():
            if value is not None:
                yield person, key, value if isinstance(value, str) else orjson.dumps(value).decode()


def explain(db: Connection, key: int) -> Explanation:
    """Give what was said about a person's ids, in the order it happened, and what of it was refused."""
    ids = [row["id"] for row in db.all("distinct_id.of_person", keys=[key])]
    links = {
        row["id"]: Link(row["id"], row["x"], row["y"], _text(row["uuid"]), row["rule"], row["at"], row["withdrawn"])
        for piece in question.pieces(ids)
        for row in db.all("fact.explain", ids=piece)
    }
    ordered = sorted(links.values(), key=lambda link: (link.at, link.linked_by))
    standing = [link for link in ordered if link.undone is None]
    return Explanation(
        links=[link for link in standing if link.rule not in REFUSED],
        refused=[link for link in standing if link.rule in REFUSED],
        undone=[link for link in ordered if link.undone is not None],
    )


def origins(db: Connection, key: int) -> dict[str, Origin]:
    """Give whence each property of the person with this cluster number has its value."""
    written = [(write, row) for row in db.all("property.origins", key=key) for write in writes_of(row)]
    rows = {(write.kind, write.key, write.at, write.uuid): row for write, row in written}
    found = {}
    for name, write in winners(write for write, _ in written).items():
        row = rows[write.kind, write.key, write.at, write.uuid]
        event = row["event"] if write.uuid == bytes(row["uuid"]) else None  # of several layers, that of the first
        found[name] = Origin(write.at, row["distinct_id"], event, write.kind == ONCE)
    return found


def _properties(db: Connection, keys: list[int], *, names: list[str] | None = None) -> dict[int, dict[str, Any]]:
    found: dict[int, list[Write]] = defaultdict(list)
    for row in db.all("property.of_persons", keys=keys, names=names):
        found[row["person"]] += writes_of(row)
    return defaultdict(dict, {key: folded(writes) for key, writes in found.items()})


def writes_of(row: Any) -> list[Write]:
    """Give what a row of ``property`` says."""
    if row["key"] == layers.KEY:
        return layers.writes_of(row["kind"], row["value"])
    value, unset = (None, True) if row["value"] is None else (orjson.loads(row["value"]), False)
    return [Write(row["kind"], row["key"], value, row["at"], bytes(row["uuid"]), unset)]


def _name(properties: dict[str, Any], survivor: str, identified: bool) -> str:
    for name in NAMES:
        value = properties.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return survivor if identified else "Visitor " + survivor.replace("-", "")[-4:]


def _containing(text: str) -> str:
    plain = text.strip().lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{plain}%"


def _text(uuid: bytes) -> str:
    return str(UUID(bytes=bytes(uuid)))


def _bytes(text: str) -> bytes | None:
    try:
        return UUID(text).bytes
    except ValueError:
        return None
