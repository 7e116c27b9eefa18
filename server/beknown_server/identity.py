"""Who is who, as a pure function of what happened.

    persons = replay(facts in the order they happened), that order being (corrected time, uuid)

Rules:
- Pure: no clock, no database, no Flask. Ids are whatever can be hashed: texts in tests, row numbers in the store.
- A refused fact joins nothing. It is kept, with the rule that refused it: a late fact may turn it round.
- Whoever ``identify()`` names is a user from then on, also when the claim is refused as ``already_identified``: the
  site said so, whatever became of the anonymous id. Otherwise the next alias could still join two users.
- ``decide`` is every rule below that does not refuse for good; ``replay`` and the store's constant-time path both go
  through it.
- In order means: later than every fact that names an id of either side's cluster. Facts elsewhere cannot matter:
  clusters only grow, so whatever never touched these two decides the same with and without this fact.

The rules, in this order; the name of the one that decided is stored with the fact:

    junk_id              either id is junk, blank or over-long                                  refused, for good
    same_id              both ids are the same                                                  refused, for good
    not_allowed          a forced merge by a public key, where the project does not allow it    refused, for good
    unsigned             the project demands signatures and the claim has none                  refused, for good
    named                the site named a user and claimed nothing; the user counts as identified
    already_linked       they are one person already; a claim's user counts as identified
    already_identified   a claim on an id that is another user's, or an alias of two users      refused
    claim                joined; the user survives and is identified
    alias                joined; the identified side survives, else the one that the alias was made for
    forced_merge         joined, whatever they are; ``y`` survives
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from beknown.wire import MAX_ID, is_junk

CLAIM, ALIAS, FORCED, NAMED = "claim", "alias", "forced_merge", "named"
REFUSED_FOR_GOOD = ("junk_id", "same_id", "not_allowed", "unsigned")
REFUSED = (*REFUSED_FOR_GOOD, "already_identified")
JOINS = (CLAIM, ALIAS, FORCED)  # the rules that make one person of two

SET, ONCE = "set", "once"
CLAIMING = ("$anon_distinct_id", "alias")  # an event's properties whose value is an id, whatever its type


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was said about two ids: x was y (claim), x is another name of y (alias), x goes into y (forced).

    Or about one: y, which is x too, is a user (named).
    """

    kind: str
    x: Any
    y: Any
    at: int
    uuid: Any

    @property
    def key(self) -> tuple[int, Any]:
        """Give its place in the order in which things happened."""
        return (self.at, self.uuid)


class Standing(NamedTuple):
    """What the rules ask of a cluster of ids: which of them survived, and whether it is a user."""

    survivor: Any
    identified: bool


class Verdict(NamedTuple):
    """The rule that decided, whether it joins the two, and how y's cluster stands afterwards."""

    rule: str
    joins: bool
    after: Standing


def refused_for_good(kind: str, x: str, y: str, *, allowed: bool = True, signed: bool = True) -> str | None:
    """Give the rule that refuses a fact whatever else happened, or None. The ids are texts as they came."""
    if any(len(one) > MAX_ID or is_junk(one) for one in (x, y)):
        return "junk_id"
    if x == y and kind != NAMED:
        return "same_id"
    if kind == FORCED and not allowed:
        return "not_allowed"
    # Of every kind: an alias would otherwise be a claim for which nobody has to sign.
    return None if signed else "unsigned"


def decide(fact: Fact, x: Standing, y: Standing, *, same: bool) -> Verdict:
    """Give what a fact does to the clusters of its two ids; ``same``: they are one cluster already."""
    names_a_user = fact.kind in (CLAIM, NAMED)
    if same:
        rule = NAMED if fact.kind == NAMED else "already_linked"
        return Verdict(rule, False, _identified(y, fact.y) if names_a_user else y)
    if fact.kind == CLAIM:
        joins = not x.identified
        return Verdict(CLAIM if joins else "already_identified", joins, _identified(y, fact.y))
    if fact.kind == ALIAS:
        if x.identified and y.identified:
            return Verdict("already_identified", False, y)
        return Verdict(ALIAS, True, x if x.identified else y)
    return Verdict(FORCED, True, Standing(y.survivor, x.identified or y.identified))


def _identified(standing: Standing, user: Any) -> Standing:
    # An alias may have made a nameless cluster of the user's id: the first claim names it. Later ones do not.
    return standing if standing.identified else Standing(user, True)


class Cluster:
    """Ids that are one person."""

    def __init__(self, member: Hashable) -> None:
        self.members: list[Any] = [member]
        self.standing = Standing(member, False)
        self.latest: tuple[int, Any] | None = None  # key of the last fact that named a member


def replay(facts: Iterable[Fact]) -> tuple[dict[Any, Cluster], dict[Any, str]]:
    """Give the cluster of every id that the facts name, and the rule that decided each fact (by its uuid)."""
    clusters: dict[Any, Cluster] = {}
    rules: dict[Any, str] = {}
    for fact in sorted(facts, key=lambda one: one.key):
        x = clusters.setdefault(fact.x, Cluster(fact.x))
        y = clusters.setdefault(fact.y, Cluster(fact.y))
        verdict = decide(fact, x.standing, y.standing, same=x is y)
        rules[fact.uuid] = verdict.rule
        x.latest = y.latest = fact.key
        y.standing = verdict.after
        if verdict.joins:
            y.members += x.members
            for member in x.members:
                clusters[member] = y
    return clusters, rules


@dataclass(frozen=True, slots=True)
class Write:
    """One property as an event left it: set (None with ``unset``) or set once."""

    kind: str
    key: str
    value: Any
    at: int
    uuid: Any
    unset: bool = False

    def outdoes(self, other: Write) -> bool:
        """Tell whether it counts before another of its kind and key: the later $set, the earlier $set_once."""
        mine, its = (self.at, self.uuid), (other.at, other.uuid)
        return mine > its if self.kind == SET else mine < its


def writes(set_: dict[str, Any], set_once: dict[str, Any], unset: Sequence[str], *, at: int, uuid: Any) -> list[Write]:
    """Give the property writes of one event. ``$initial_*`` is first touch, however it was sent."""
    found = {
        (kind, name): Write(kind, name, value, at, uuid)
        for bag, asked in ((set_once, ONCE), (set_, SET))
        for name, value in bag.items()
        for kind in [ONCE if name.startswith("$initial_") else asked]
    }
    found.update({(SET, name): Write(SET, name, None, at, uuid, unset=True) for name in unset})
    return list(found.values())


def folded(found: Iterable[Write]) -> dict[str, Any]:
    """Give a person's properties: per key the latest $set or $unset, else the earliest $set_once.

    An $unset also ends what was set once before it, and for good: where a key was set once, no $set_once after the
    $unset sets it again (at PostHog the next one does); a $set does. To tell which would be the first after an $unset
    that may still arrive, for this id or one that is joined later, every $set_once ever said would have to be kept.
    """
    return {key: write.value for key, write in winners(found).items()}


def winners(found: Iterable[Write]) -> dict[str, Write]:
    """Give per key the write whose value the person has: see folded."""
    standing: dict[tuple[str, str], Write] = {}
    for write in found:
        known = standing.get((write.kind, write.key))
        if known is None or write.outdoes(known):
            standing[write.kind, write.key] = write
    result: dict[str, Write] = {}
    for (kind, key), write in standing.items():
        last = standing.get((SET, key))
        is_first = last is None or (last.unset and (write.at, write.uuid) > (last.at, last.uuid))
        if is_first if kind == ONCE else not write.unset:
            result[key] = write
    return result
