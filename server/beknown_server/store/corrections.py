"""What an operator corrects: two persons are one, two ids are not. Facts like any other, or facts withdrawn.

Rules:
- Nothing is rewritten: a merge is a fact of its own, an undo marks a fact as withdrawn; persons follow by replay.
  So an undo is exact: persons and properties are as if the fact had never been; what it had kept others from doing
  (another user's claim, say) they now do.
- The fact and its undo stay in the log, and ``redo`` takes the undo back.
- What is undone is what was said, not what may be said again: another fact, early or late, counts as any other.
- A split withdraws what links the chosen ids to the other ids of their person, and nothing else: a user among them
  stays one. A claim that those links had kept from being true may become so, and give the chosen ids to somebody else.
"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from beknown.ids import RANDOM_BYTES, uuid7

from ..errors import NotFound, Unusable
from ..identity import FORCED, JOINS, refused_for_good
from . import people, question
from .clusters import learn, replay_around, stand_in, still_name
from .forgetting import Deleted, forget
from .records import Claim
from .writer import Connection, Writer

MOST = 2**63 - 1  # what a row's number can be


class Corrections:
    """An operator's verbs, each durable when it returns."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def merge(self, project_id: int, source: str, into: str, *, now: int) -> int:
        """Make one person of two, whatever they are; ``into`` survives. Give the number of the link, for ``undo``.

        Raises NotFound for an id that was never seen, Unusable if they are one person already.
        """
        uuid = uuid7(now, secrets.token_bytes(RANDOM_BYTES))
        return self._writer.run(lambda db: merge(db, project_id, source, into, uuid=uuid, now=now), order=project_id)

    def undo(self, project_id: int, link: int, *, now: int) -> list[int]:
        """Take one link out, as if it had never been said. Give the links by which its two ids are still one person.

        Raises NotFound if there is no link of this number, Unusable if there is nothing to undo.
        """
        return self._writer.run(lambda db: undo(db, project_id, link, now=now), order=project_id)

    def redo(self, project_id: int, link: int) -> None:
        """Take an undo back. Raises NotFound if there is no such link, Unusable if it is not undone."""
        self._writer.run(lambda db: redo(db, project_id, link), order=project_id)

    def split(self, project_id: int, distinct_ids: list[str], *, now: int) -> list[int]:
        """Part these ids from the others of their person; give the numbers of the links that this undoes.

        Raises NotFound for an id that was never seen, Unusable if they are none, several persons' or all of one's.
        """
        return self._writer.run(lambda db: split(db, project_id, distinct_ids, now=now), order=project_id)

    def delete(self, project_id: int, any_id: str, *, now: int) -> Deleted:
        """Delete a person with events, ids and properties for good, or an id that is no person's with its events.

        Raises NotFound for an id that was never seen.
        """
        # Alone, for it locks the warnings after the project (see warnings.py), and what was counted before is written
        # before: in one transaction it would come after, and write anew the example that the deletion has replaced.
        return self._writer.run(lambda db: delete(db, project_id, any_id, now=now), order=project_id, alone=True)


def merge(db: Connection, project_id: int, source: str, into: str, *, uuid: str, now: int) -> int:
    """Make one person of two, whatever they are; ``into`` survives. Give the number of the link.

    Raises NotFound for an id that was never seen, Unusable if they are one person already.
    """
    db.lock(project_id)
    x, y = (_known(db, project_id, name) for name in (source, into))
    claim = Claim(FORCED, x["name"], y["name"])  # not what they were called here: a person's own id is never junk
    if x["person"] == y["person"]:
        raise Unusable(
            "same_person", f"{claim.x!r} and {claim.y!r} are one person already.", fix="Nothing is to be done."
        )
    rule = refused_for_good(FORCED, claim.x, claim.y)
    if rule is not None:
        raise Unusable(rule, "many people share such an id: nobody can be merged with it.", fix="Name a person's id.")
    numbers = {"x": x["id"], "y": y["id"]}
    learn(db, project_id, claim, at=now, uuid=UUID(uuid).bytes, **numbers)
    return int(db.all("fact.by_uuid", project_id=project_id, uuid=UUID(uuid).bytes)[0]["id"])


def undo(db: Connection, project_id: int, link: int, *, now: int) -> list[int]:
    """Undo one link; give the links by which its two ids are one person all the same.

    Raises NotFound if there is none of this number, Unusable if it joined or refused nothing.
    """
    fact = _fact(db, project_id, link)
    if fact["final"]:
        raise Unusable("no_link", f"link {link} was refused for good: there is nothing to undo.")
    if fact["withdrawn"] is not None:
        raise Unusable("undone_already", f"link {link} is undone already.", fix="Redo takes an undo back.")
    _mark(db, project_id, [fact], now)
    return _chain(db, fact["x"], fact["y"])


def redo(db: Connection, project_id: int, link: int) -> None:
    """Take an undo back. Raises NotFound if there is no such link, Unusable if it is not undone."""
    fact = _fact(db, project_id, link)
    if fact["withdrawn"] is None:
        raise Unusable("not_undone", f"link {link} is not undone.")
    # The claim is back: its stand-in goes.
    db.many("fact.remove", [{"project_id": project_id, "uuid": stand_in(bytes(fact["uuid"]))}])
    _mark(db, project_id, [fact], None)


def split(db: Connection, project_id: int, names: list[str], *, now: int) -> list[int]:
    """Part these ids of one person from its others; give the numbers of the links that are undone by it.

    Raises NotFound for an id that was never seen, Unusable if they are none, not ids of one person, or all of its ids,
    or would come together again by what others said of them.
    """
    if not names:
        raise Unusable("none_chosen", "no id was chosen.", fix="Choose the ids that are somebody else's.")
    db.lock(project_id)
    rows = [_known(db, project_id, name) for name in dict.fromkeys(names)]
    persons = {row["person"] for row in rows}
    chosen = {row["id"] for row in rows}
    if len(persons) != 1:
        raise Unusable("several_persons", "these ids are not one person's.", fix="Name ids of one person.")
    every = {row["id"] for row in db.all("distinct_id.of_person", keys=list(persons))}
    if chosen == every:
        raise Unusable("whole_person", "these are all ids of the person.", fix="Leave at least one id out.")
    between = {
        fact["id"]: fact
        for piece in question.pieces(sorted(chosen))
        for fact in db.all("fact.around", ids=piece)
        if (fact["x"] in chosen) != (fact["y"] in chosen) and {fact["x"], fact["y"]} <= every
    }
    still_name(db, project_id, between.values())
    _mark(db, project_id, list(between.values()), now)
    if _persons(db, chosen) & _persons(db, every - chosen):
        raise Unusable(
            "held_together",
            "without the links between them, others would bring these ids together again; nothing was changed.",
            fix="Undo single links: the person's explanation has them.",
        )
    return sorted(between)


def delete(db: Connection, project_id: int, any_id: str, *, now: int) -> Deleted:
    """Delete a person, or an id that is nobody's, for good. Raises NotFound for an id that was never seen."""
    db.lock(project_id)  # before it is read who that is: a claim that commits meanwhile may make them somebody else
    return forget(db, project_id, _known(db, project_id, any_id, nobodys=True)["person"], now=now)


def _mark(db: Connection, project_id: int, facts: list[Any], withdrawn: int | None) -> None:
    db.many("fact.withdraw", [{"id": fact["id"], "withdrawn": withdrawn} for fact in facts])
    replay_around(db, project_id, sorted({fact[side] for fact in facts for side in ("x", "y")}))


def _chain(db: Connection, x: int, y: int) -> list[int]:
    """Give the links by which two ids are one person, from the one to the other; none if they are two persons.

    There is one such chain: each link of it made one person of two.
    """
    chains: dict[int, list[int]] = {x: []}  # to each id that was reached
    frontier = [x]
    while frontier and y not in chains:
        rows = [row for piece in question.pieces(frontier) for row in db.all("fact.around", ids=piece)]
        frontier = []
        for row in rows:
            for here, there in ((row["x"], row["y"]), (row["y"], row["x"])):
                if row["rule"] in JOINS and here in chains and there not in chains:
                    chains[there] = [*chains[here], row["id"]]
                    frontier.append(there)
    return chains.get(y, [])


def _persons(db: Connection, ids: set[int]) -> set[int]:
    rows = [row for piece in question.pieces(sorted(ids)) for row in db.all("distinct_id.places", ids=piece)]
    return {row["id"] if row["person"] is None else row["person"] for row in rows}


def _fact(db: Connection, project_id: int, link: int) -> Any:
    db.lock(project_id)
    rows = db.all("fact.by_id", project_id=project_id, id=min(link, MOST))
    if not rows:
        raise NotFound("unknown_link", f"there is no link {link}.", fix="See the person's explanation for its links.")
    return rows[0]


def _known(db: Connection, project_id: int, name: str, *, nobodys: bool = False) -> Any:
    row = people.find_row(db, project_id, name, nobodys=nobodys)
    if row is None:
        raise NotFound("unknown_person", f"nobody was seen under the id {name[:80]!r}.", fix="Look for it in /people.")
    return row
