"""Clusters in the database: each new fact is applied, in order in constant time, out of order by a replay.

Rules:
- Runs inside the transaction that stores the event, with the project locked: it reads what it decides upon.
- What the rules are is identity.py's business; here is only where clusters lie.
- A cluster's number is that of one of its ids, so that two clusters never share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from ..identity import CLAIM, NAMED, Fact, Standing, decide, replay
from . import question
from .records import Claim
from .writer import Connection


def learn(db: Connection, project_id: int, claim: Claim, *, x: int, y: int, at: int, uuid: bytes) -> str:
    """Store one fact about the ids numbered ``x`` and ``y``, let persons follow, and give the rule that decided.

    A fact that is there already stays, with what became of it: an event that was expired may come again.
    """
    if known := db.all("fact.by_uuid", project_id=project_id, uuid=uuid):
        return str(known[0]["rule"])
    fact = Fact(claim.kind, x, y, at, uuid)
    row = {"project_id": project_id, "kind": claim.kind, "x": x, "y": y, "at": at, "uuid": uuid}
    if claim.refused:
        db.many("fact.add", [{**row, "rule": claim.refused, "final": 1}])
        return claim.refused
    found = {one["id"]: one for one in db.all("distinct_id.standing", ids=[x, y])}
    is_late = any(one["latest_at"] is not None and _latest(one) > fact.key for one in found.values())
    if is_late and not _changes_nothing_after_it(db, fact, found[x]):
        db.many("fact.add", [{**row, "rule": "", "final": 0}])
        return replay_around(db, project_id, [x, y])[uuid]
    rule = _apply(db, fact, found[x], found[y])
    db.many("fact.add", [{**row, "rule": rule, "final": 0}])
    return rule


def _latest(standing: Any) -> tuple[int, bytes]:
    return standing["latest_at"], bytes(standing["latest_uuid"])


def _changes_nothing_after_it(db: Connection, fact: Fact, x: Any) -> bool:
    """Tell whether a late claim decides the same now as it would have then, and nothing since would differ.

    So it is if its user was a user before it, and its anonymous id was theirs already, or is named by nothing else:
    the everyday case of a user of many devices, whose clocks differ a little. A replay would cost all of those.
    """
    if fact.kind != CLAIM or fact.x == fact.y:
        return False
    before: dict[str, Any] = {"y": fact.y, "at": fact.at, "uuid": fact.uuid}
    if x["latest_at"] is None:
        return bool(db.all("fact.before", rules=[CLAIM, NAMED, "already_linked", "already_identified"], **before))
    return bool(db.all("fact.before", rules=[CLAIM, "already_linked"], x=fact.x, **before))


def _apply(db: Connection, fact: Fact, x: Any, y: Any) -> str:
    same = x["person"] == y["person"]
    verdict = decide(fact, _standing(x), _standing(y), same=same)
    latest = max([fact.key, *(_latest(one) for one in (x, y) if one["latest_at"] is not None)])
    if not verdict.joins:
        _save(db, y["person"], verdict.after, y["size"], latest)
        if not same:
            _save(db, x["person"], _standing(x), x["size"], latest)
        return verdict.rule
    small, large = sorted((x, y), key=lambda one: one["size"])
    db.many("distinct_id.move", [{"person": small["person"], "into": large["person"]}])
    db.many("distinct_id.place", [{"id": one["id"], "person": large["person"]} for one in (small, large)])
    db.many("person.remove", [{"id": small["person"]}])
    _save(db, large["person"], verdict.after, x["size"] + y["size"], latest)
    return verdict.rule


def _standing(row: Any) -> Standing:
    return Standing(row["id"], False) if row["survivor"] is None else Standing(row["survivor"], bool(row["identified"]))


def _save(db: Connection, person: int, standing: Standing, size: int, latest: tuple[int, bytes]) -> None:
    # A lone id gets its row here too: the next fact about it must know that this one came before.
    db.many("distinct_id.place", [{"id": person, "person": person}])
    db.many("person.save", [_person(person, standing, size, latest)])


def _person(person: int, standing: Standing, size: int, latest: tuple[int, bytes]) -> dict[str, Any]:
    return {
        "id": person,
        "survivor": standing.survivor,
        "identified": int(standing.identified),
        "size": size,
        "latest_at": latest[0],
        "latest_uuid": latest[1],
    }


def replay_around(db: Connection, project_id: int, ids: list[int]) -> dict[bytes, str]:
    """Decide anew whatever is connected, by any fact, to these ids; give the rule that decided each fact."""
    facts, before, reached = _component(db, ids)
    clusters, rules = replay(facts.values())
    was = {
        row["id"]: row["person"]
        for piece in question.pieces(reached)
        for row in db.all("distinct_id.places", ids=piece)
    }
    persons: dict[int, Any] = {}
    now: dict[int, int | None] = dict.fromkeys(reached)  # alone, if its only facts were withdrawn
    for cluster in {id(one): one for one in clusters.values()}.values():
        number = _number(cluster.members, was)
        now.update(dict.fromkeys(cluster.members, number))
        persons[number] = _person(number, cluster.standing, len(cluster.members), cluster.latest or (0, b""))
    db.many("person.remove", [{"id": gone} for gone in sorted({*was.values()} - {*persons, None})])
    db.many("distinct_id.place", [{"id": one, "person": now[one]} for one in reached if now[one] != was[one]])
    db.many("person.save", list(persons.values()))
    changed = [uuid for uuid in facts if rules[uuid] != before[uuid]]
    db.many("fact.decided", [{"project_id": project_id, "uuid": uuid, "rule": rules[uuid]} for uuid in changed])
    return rules


def still_name(db: Connection, project_id: int, facts: Iterable[Any]) -> None:
    """Let whoever these claims (rows of fact.around) named stay a user when they go: the site said so, whatever becomes
    of the other id. The next replay finds it."""
    for fact in facts:
        uuid = stand_in(bytes(fact["uuid"]))
        if fact["kind"] == CLAIM and not db.all("fact.by_uuid", project_id=project_id, uuid=uuid):
            row = {"project_id": project_id, "kind": NAMED, "x": fact["y"], "y": fact["y"], "at": fact["at"]}
            db.many("fact.add", [{**row, "uuid": uuid, "rule": "", "final": 0}])


def stand_in(claim: bytes) -> bytes:
    """Give the uuid of the fact that stands in for a claim that is gone: it says only that its user is a user."""
    return sha256(claim + b"named").digest()[:16]


def _number(members: list[int], was: dict[int, int | None]) -> int:
    """Give the number that a cluster goes by: of those it had, the one that leaves most of its ids where they are."""
    own = set(members)
    known = Counter(was[one] for one in members).most_common()
    return next((number for number, _ in known if number in own and number is not None), min(members))


def _component(db: Connection, ids: list[int]) -> tuple[dict[bytes, Fact], dict[bytes, str], list[int]]:
    """Give the facts that these ids are connected by, the rule that decided each so far, and all ids they reach."""
    facts: dict[bytes, Fact] = {}
    before: dict[bytes, str] = {}
    reached, frontier = set(ids), sorted(set(ids))
    while frontier:
        named: set[int] = set()
        for piece in question.pieces(frontier):
            for row in db.all("fact.around", ids=piece):
                uuid = bytes(row["uuid"])
                facts[uuid] = Fact(row["kind"], row["x"], row["y"], row["at"], uuid)
                before[uuid] = row["rule"]
                named |= {row["x"], row["y"]}
        frontier = sorted(named - reached)
        reached |= named
    return facts, before, sorted(reached)
