"""What an export holds besides the events, and how it is put back: ids and groups with what was set on them, facts,
tombstones.

Rules:
- Who was deleted is not put back.
- Putting back is adding: what is there already stays, undone or not, and the same record twice is once. So an import
  that broke off is simply begun again.
- Facts go through ``learn``, as when they first came: persons follow from them, in whatever order they are read.
- Events themselves are read with ``Store.recent`` and put back with ``Store.append``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import orjson

from ..identity import Write
from . import layers, question
from .arrivals import person_id
from .clusters import learn, replay_around
from .forgetting import tombstones
from .groups import keep, kept
from .people import writes_of
from .records import Claim, KeptFact, KeptGroup, KeptId
from .writer import Connection, Writer


class Archive:
    """Reads a project out and puts it back."""

    def __init__(self, writer: Writer, reader: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._writer = writer
        self._reader = reader

    def facts_of(self, project_id: int, uuids: Sequence[str]) -> dict[str, KeptFact]:
        """Give the facts that these events brought."""
        with self._reader() as db:
            numbers = [UUID(uuid).bytes for uuid in uuids]
            rows = [
                row
                for piece in question.pieces(numbers)
                for row in db.all("fact.kept", project_id=project_id, uuids=piece, after=0, limit=len(piece))
            ]
        return {fact.uuid: fact for fact in map(_fact, rows)}

    def facts(self, project_id: int, *, after: int, limit: int) -> list[KeptFact]:
        """Give the facts that no stored event tells in full: those without one, and those that were undone."""
        with self._reader() as db:
            rows = db.all("fact.kept", project_id=project_id, after=after, limit=limit, eventless=True)
        return [_fact(row) for row in rows]

    def ids(self, project_id: int, *, after: int, limit: int) -> list[KeptId]:
        """Give ids by number, with all that was set on them."""
        with self._reader() as db:
            rows = db.all("distinct_id.kept", project_id=project_id, after=after, limit=limit)
            written: dict[int, list[Write]] = defaultdict(list)
            for piece in question.pieces([row["id"] for row in rows]):
                for row in db.all("property.kept", ids=piece):
                    written[row["distinct_id"]] += writes_of(row)
        return [
            KeptId(
                row["id"], row["name"], row["first_seen"], row["last_seen"], bool(row["personal"]), written[row["id"]]
            )
            for row in rows
        ]

    def groups(self, project_id: int) -> list[KeptGroup]:
        """Give all groups, with what was set on them."""
        with self._reader() as db:
            return kept(db, project_id, limit=2**31)

    def forgotten(self, project_id: int) -> list[tuple[str, int]]:
        """Give the tombstones: the hash (hexadecimal) of an id that was deleted, and when."""
        with self._reader() as db:
            rows = db.all("forgotten.all", project_id=project_id)
        return [(bytes(row["hash"]).hex(), row["at"]) for row in rows]

    def put_back(
        self,
        project_id: int,
        *,
        ids: Sequence[KeptId] = (),
        facts: Sequence[KeptFact] = (),
        groups: Sequence[KeptGroup] = (),
        forgotten: Sequence[tuple[str, int]] = (),
    ) -> set[str]:
        """Add what is not there yet; give the types of groups for which there is no room. Durable when it returns."""
        stones = [{"project_id": project_id, "hash": bytes.fromhex(hash), "at": at} for hash, at in forgotten]

        def work(db: Connection) -> set[str]:
            db.lock(project_id)
            for stone in stones:
                db.many("forgotten.add", [stone])
            gone = tombstones(db, project_id, [name for fact in facts for name in (fact.x, fact.y)])
            gone |= tombstones(db, project_id, [one.distinct_id for one in ids])
            _put_ids(db, project_id, [one for one in ids if one.last_seen > gone.get(one.distinct_id, -1)], gone)
            for fact in sorted(facts, key=_key):
                if fact.at > max(gone.get(fact.x, -1), gone.get(fact.y, -1)):
                    _put_fact(db, project_id, fact)
            return keep(db, project_id, groups)

        return self._writer.run(work, order=project_id)


def _fact(row: Any) -> KeptFact:
    refused = row["rule"] if row["final"] else None
    uuid = str(UUID(bytes=bytes(row["uuid"])))
    return KeptFact(row["id"], uuid, row["kind"], row["x"], row["y"], row["at"], refused, row["withdrawn"], row["rule"])


def _key(fact: KeptFact) -> tuple[int, bytes]:
    """Give the place of a fact in the order of replay: in it none is late, and none makes the others be replayed."""
    return fact.at, UUID(fact.uuid).bytes


def _put_ids(db: Connection, project_id: int, ids: Sequence[KeptId], gone: dict[str, int]) -> None:
    for one in ids:
        _see(db, project_id, one.distinct_id, one.first_seen, one.last_seen, one.personal)
    numbers = _numbers(db, project_id, [one.distinct_id for one in ids])
    laid: dict[tuple[int, str], list[layers.Layer]] = defaultdict(list)
    for one in ids:
        for write in one.written:
            if write.at <= gone.get(one.distinct_id, -1):
                continue
            if layers.is_layered(write.key):
                laid[numbers[one.distinct_id], write.kind].append(layers.of_write(write))
                continue
            row = {
                "distinct_id": numbers[one.distinct_id],
                "key": write.key,
                "kind": write.kind,
                "value": None if write.unset else orjson.dumps(write.value).decode(),
                "at": write.at,
                "uuid": write.uuid,
            }
            db.many("property.write", [row])
    layers.put(db, laid)


def _put_fact(db: Connection, project_id: int, fact: KeptFact) -> None:
    uuid = UUID(fact.uuid).bytes
    if db.all("fact.by_uuid", project_id=project_id, uuid=uuid):
        return  # and whether it is undone by now is not for an old file to say
    # An operator's merge is nothing that its ids did: it makes them known, but not seen.
    for name in {fact.x, fact.y} - set(_numbers(db, project_id, [fact.x, fact.y])):
        _see(db, project_id, name, fact.at, fact.at, fact.refused is None)
    numbers = _numbers(db, project_id, [fact.x, fact.y])
    x, y = numbers[fact.x], numbers[fact.y]
    learn(db, project_id, Claim(fact.kind, fact.x, fact.y, fact.refused), x=x, y=y, at=fact.at, uuid=uuid)
    if fact.undone is not None:
        added = db.all("fact.by_uuid", project_id=project_id, uuid=uuid)[0]["id"]
        db.many("fact.withdraw", [{"id": added, "withdrawn": fact.undone}])
        replay_around(db, project_id, [x, y])
        db.many("fact.decided", [{"project_id": project_id, "uuid": uuid, "rule": fact.rule}])


def _see(db: Connection, project_id: int, name: str, first: int, last: int, personal: bool) -> None:
    row = {"project_id": project_id, "name": name, "uuid": person_id(project_id, name).bytes, "event_count": 0}
    db.many("distinct_id.seen", [{**row, "first_seen": first, "last_seen": last, "personal": int(personal)}])


def _numbers(db: Connection, project_id: int, names: Sequence[str]) -> dict[str, int]:
    return {
        row["name"]: row["id"]
        for piece in question.pieces(sorted(set(names)))
        for row in db.all("distinct_id.numbers", project_id=project_id, names=piece)
    }
