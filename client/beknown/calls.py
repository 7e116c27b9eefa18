"""What each call of the page does: a function from (the call, its arguments) to the events it makes.

Rules:
- Pure. A call sees its journal entry, the visitor's state and the page's facts; it changes the state and answers
  with events. It raises BadCall, in words for the page's author, when it cannot be done.
- Names and arguments are the public surface (design: contract.md). Arguments beyond those are ignored, as everywhere
  in JavaScript: posthog-js's register(properties, days) still registers.
- Whatever is minted here is derived from the call's id: run again anywhere, a call makes the same events.
"""

from . import click, event, guard, identity, ids, past, values, wire
from .errors import BadCall
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .identity import Identity

    Properties = dict[str, Any]
    Events = list[dict[str, Any]]


class Call:
    """One call being run: its id, its journal entry, the state it finds, and what it tells the page's author."""

    def __init__(
        self, id: str, entry: "Properties", state: "State", facts: "Properties", options: "Properties"
    ) -> None:
        self.id = id
        self.entry = entry
        self.state = state
        self.facts = facts
        self.options = options
        self.tab = state.tab(entry.get("window", ""))
        self.is_late = past.is_late(state.past, id, facts.get("now", 0))
        self.identity = past.was(state.past, id) if self.is_late else state.identity  # whose call it is
        # Where its properties, groups and the like are: a late call of somebody else finds nothing and leaves nothing.
        foreign = self.is_late and past.is_somebody_elses(state.past, id)
        self.kept = State(self.identity, state.session) if foreign else state
        self.said: "list[tuple[str, str]]" = []

    def event(self, name: str, properties: "Any" = None, top: "Properties | None" = None) -> "Properties":
        """Give one event of this call, its properties as far as they can travel; {} if it is one too many."""
        state, at = self.state, self.entry["at"]
        if name not in guard.FREE:
            state.bucket, allowed = guard.draw(state.bucket or guard.full(at), at)
            if not allowed:
                return {}
        return event.build(
            name,
            call=self.id,
            entry=self.entry,
            state=state,
            kept=self.kept,
            identity=self.identity,
            facts=self.facts,
            options=self.options,
            properties=self.plain(properties, "properties"),
            top=top,
        )

    def becomes(self, identity: "Identity") -> bool:
        """Make the visitor somebody else from this call on; tell whether that is who they are now."""
        self.identity = identity
        return self.state.changed(self.id, identity, self.is_late)

    def plain(self, properties: "Any", what: str) -> "Properties":
        """Give the usable part of a property bag; complain about the rest."""
        kept, complaints = values.plain_properties(properties, what)
        self.said += [("warn", complaint) for complaint in complaints]
        return kept

    def person(self, set: "Any", set_once: "Any") -> "Properties":
        """Give ``$set`` and ``$set_once`` for the top of an event, each only if it says something."""
        found = {"$set": self.plain(set, "set"), "$set_once": self.plain(set_once, "set_once")}
        return {name: bag for name, bag in found.items() if bag}

    def with_first_touch(self, top: "Properties") -> "Properties":
        """Add to what is said of a person how they first came, where no identify() has told or will tell it."""
        if self.identity.identified or self.is_late:  # what is known of the first touch is the present visitor's
            return top
        first = dict(self.state.first)
        first.update(top.get("$set_once", {}))
        return dict(top, **{"$set_once": first}) if first else top


# Events -----------------------------------------------------------------------------------------------------------


def capture(call: Call, name: "Any" = None, properties: "Any" = None, options: "Any" = None) -> "Events":
    """capture(event, properties, options): something happened. Options: ``$set $set_once $unset timestamp uuid``."""
    if not isinstance(name, str) or not wire.trimmed(name):
        raise BadCall(f"capture() needs the event's name as its first argument, not {name!r}; nothing was sent.")
    wanted = options if isinstance(options, dict) else {}
    top, unset = call.person(wanted.get("$set"), wanted.get("$set_once")), _names(wanted.get("$unset"))
    about, at, uuid = call.plain(properties, "properties"), wanted.get("timestamp"), wanted.get("uuid")
    if name == "$pageview":
        about = event.viewed(call.tab, call.id, call.entry) | about
    made = call.event(name[: wire.MAX_NAME], about, call.with_first_touch(top) if top or unset else None)
    at = wire.iso(at) if isinstance(at, (int, float)) else at
    said = {"$unset": unset, "timestamp": isinstance(at, str) and at, "uuid": ids.is_uuid(uuid) and uuid}
    made.update({name: value for name, value in said.items() if made and value})
    return [made]


def runaway(call: Call) -> "Events":
    """A call was one too many: say so, the first time."""
    if call.state.bucket[2] > 1:
        return []
    text = f"more than {guard.BURST} events at once ({guard.RATE} a second after that); the rest is dropped."
    call.said.append(("error", f"{call.entry['call']}() in a loop? This page made {text}"))
    return [call.event("$$client_ingestion_warning", {"$$client_ingestion_warning_message": text})]


def pageview(call: Call, how: str = "load", before: str = "") -> "Events":
    """The page was shown (``how`` = load), or a script moved on to another address of the same document."""
    if how != "load" and event.same_page(call.entry["url"], before, call.options.get("pageviews")):
        return []
    properties = event.viewed(call.tab, call.id, call.entry)
    if how != "load":
        properties["navigation_type"] = how
    return [call.event("$pageview", properties)]


def pageleave(call: Call) -> "Events":
    """The page is being left, or put away where it may never come back."""
    shown = call.tab[2]
    if not shown:
        return []
    if shown[2] > call.entry["at"]:
        return [call.event("$pageleave")]  # found late: the tab shows another page by now
    return [call.event("$pageleave", dict(event.left(call.tab, call.entry), **{"$pageview_id": shown[0]}))]


def pageclick(call: Call, data: "Any" = None) -> "Events":
    """Somebody clicked (or sent, of a form) an element with ``data-beknown-event``; ``data`` is its dataset."""
    name, properties = click.declared(data if isinstance(data, dict) else {})
    return capture(call, name, properties)


def pagelink(call: Call, url: str = "", text: str = "") -> "Events":
    """Somebody followed a link that the tag's ``data-links`` asks for: to another site, or to a file."""
    what, properties = click.link(url, call.entry["url"], call.options.get("links", ""))
    if not what:
        return []
    return capture(call, what, dict(properties, text=text) if text else properties)


# Who it is --------------------------------------------------------------------------------------------------------


def identify(
    call: Call, user: "Any" = None, set: "Any" = None, set_once: "Any" = None, proof: "Any" = None
) -> "Events":
    """identify(id, set, set_once, {signature}): this visitor is that user of yours; your backend signs the id."""
    state, before = call.state, call.identity
    if call.is_late and past.is_forgotten(state.past, call.id):  # claims nobody
        before = identity.Identity(before.device, before.distinct_id, identity.IDENTIFIED)
    after, how, link = identity.identify(before, identity.named(before, user, call.said), call.id)
    top, signed = call.person(set, set_once), _signed(proof)
    if how == "repeat":
        return _once_more(call, top, signed)
    said = values.fingerprint(top), values.fingerprint(signed)  # first: what fails must leave them who they were
    is_now = call.becomes(after)
    if is_now:
        state.sent, state.proof = said
    if how == "claim":
        first = dict(state.first if is_now else {})  # what is known of the first touch is the present visitor's
        first.update(top.get("$set_once", {}))
        if first:
            top["$set_once"] = first
    else:
        call.said.append(("warn", "identify() named another user without reset() before it. Call reset() at log-out."))
    link.update(signed)
    return [call.event("$identify", link, top)]


def _once_more(call: Call, top: "Properties", signed: "Properties") -> "Events":
    """Say the claim again where it was said without this signature: the server may have refused it for that."""
    anonymous, proof = past.claimed(call.state.past, call.identity), values.fingerprint(signed)
    if call.is_late or not (signed and anonymous) or proof == call.state.proof:
        return _person_event(call, top)
    call.state.proof, call.state.sent = proof, values.fingerprint(top)
    return [call.event("$identify", dict(signed, **{"$anon_distinct_id": anonymous}), top)]


def alias(call: Call, other: "Any" = None, proof: "Any" = None) -> "Events":
    """alias(id, {signature}): that id is another name of this visitor, used where this one is not at hand."""
    other = identity.named(call.identity, other, call.said)
    if other == call.identity.distinct_id:
        raise BadCall(
            f"alias({other!r}) names the visitor's own id; there is nothing to link. Did you mean identify()?"
        )
    if isinstance(proof, str) and proof != call.identity.distinct_id:
        call.said.append(("warn", f"alias() always names the present visitor; {proof!r} is ignored."))
    about = {"alias": other}
    about.update(_signed(proof))
    return [call.event("$create_alias", about, {})]


def _signed(proof: "Any") -> "Properties":
    # Whether it is right only the server can tell, which takes it off the event.
    signature = proof.get("signature") if isinstance(proof, dict) else None
    return {"$signature": signature} if isinstance(signature, str) and signature else {}


def reset(call: Call, options: "Any" = None) -> "Events":
    """reset({device, keep}): the user has gone; whoever comes next is somebody else."""
    wanted = options if isinstance(options, dict) else {}
    device = True in (options, wanted.get("device"), wanted.get("resetDeviceID"))  # posthog-js's are two of these
    keep = wanted.get("keep")
    keep = keep if isinstance(keep, list) else [keep]
    if call.becomes(identity.reset(call.identity, call.id, device=device)):
        call.state.forget_user([name for name in keep if isinstance(name, str)])
    return []


def group(call: Call, kind: "Any" = None, key: "Any" = None, properties: "Any" = None) -> "Events":
    """group(type, key, properties): from now on this visitor acts for that company, team or the like."""
    named = isinstance(key, (str, int)) and not isinstance(key, bool) and key != ""
    if not (isinstance(kind, str) and kind and named):
        raise BadCall(f"group() needs a type and a key, as in group('company', 'acme'), not {kind!r} and {key!r}.")
    bag = call.plain(properties, "group properties")
    known = call.kept.groups.get(kind) == str(key)
    call.kept.groups[kind] = str(key)
    if known and not bag:
        return []
    about: "Properties" = {"$group_type": kind, "$group_key": str(key)}
    if bag:
        about["$group_set"] = bag
    return [call.event("$groupidentify", about)]


def reset_groups(call: Call) -> "Events":
    """reset_groups(): from now on this visitor acts for nobody but themselves."""
    call.kept.groups = {}
    return []


def set_person_properties(call: Call, set: "Any" = None, set_once: "Any" = None) -> "Events":
    """set_person_properties(set, set_once): something about the person, whoever they are."""
    return _person_event(call, call.person(set, set_once))


def unset_person_properties(call: Call, names: "Any" = None) -> "Events":
    """unset_person_properties(names): forget these about the person."""
    wanted = _names(names)
    if not wanted:
        return []
    call.kept.sent = ""
    return [call.event("$set", {"$unset": wanted}, {})]


def _names(names: "Any") -> "list[str]":
    return [name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str) and name]


def create_person_profile(call: Call) -> "Events":
    """create_person_profile(): this visitor is a person of their own, with a first touch, before anybody names them."""
    kept = call.kept
    return [] if call.identity.identified or kept.groups or kept.sent else _about(call, {})


def people_set(call: Call, what: "Any" = None, value: "Any" = None) -> "Events":
    """people.set(properties), people.set(name, value): posthog-js's older way to say set_person_properties()."""
    return set_person_properties(call, {what: value} if isinstance(what, str) else what)


def people_set_once(call: Call, what: "Any" = None, value: "Any" = None) -> "Events":
    """people.set_once(properties), people.set_once(name, value): the same, unless it is set already."""
    return set_person_properties(call, None, {what: value} if isinstance(what, str) else what)


def _person_event(call: Call, top: "Properties") -> "Events":
    return [] if not top or values.fingerprint(top) == call.kept.sent else _about(call, top)


def _about(call: Call, top: "Properties") -> "Events":
    """Give the event that says something of the person, and remember it as said."""
    event = call.event("$set", None, call.with_first_touch(top))
    if event:
        call.kept.sent = values.fingerprint(top)
    return [event]


# What rides on every event ----------------------------------------------------------------------------------------


def register(call: Call, properties: "Any" = None) -> "Events":
    """register(properties): put these on every event from now on, until reset()."""
    call.kept.registered.update(call.plain(properties, "register()"))
    return []


def register_once(call: Call, properties: "Any" = None) -> "Events":
    """register_once(properties): the same, for names that are not registered yet."""
    for name, value in call.plain(properties, "register_once()").items():
        call.kept.registered.setdefault(name, value)
    return []


def register_for_session(call: Call, properties: "Any" = None) -> "Events":
    """register_for_session(properties): the same, until the session ends."""
    call.kept.of_session.update(call.plain(properties, "register_for_session()"))
    return []


def unregister(call: Call, name: "Any" = None) -> "Events":
    """unregister(name): no longer."""
    if not isinstance(name, str):
        raise BadCall(f"unregister() needs the name of a property, not {name!r}; nothing was changed.")
    call.kept.registered.pop(name, None)
    call.kept.of_session.pop(name, None)
    return []


# name -> function, and how many arguments it takes: what is passed beyond them is ignored, as everywhere in JavaScript
CALLS: "dict[str, tuple[Callable[..., Events], int]]" = {
    "alias": (alias, 2),
    "capture": (capture, 3),
    "create_person_profile": (create_person_profile, 0),
    "group": (group, 3),
    "identify": (identify, 4),
    "pageclick": (pageclick, 1),
    "pageleave": (pageleave, 0),
    "pagelink": (pagelink, 2),
    "pageview": (pageview, 2),
    "register": (register, 1),
    "register_for_session": (register_for_session, 1),
    "register_once": (register_once, 1),
    "reset": (reset, 1),
    "reset_groups": (reset_groups, 0),
    "set": (people_set, 2),
    "set_once": (people_set_once, 2),
    "set_person_properties": (set_person_properties, 2),
    "unregister": (unregister, 1),
    "unset_person_properties": (unset_person_properties, 1),
}

# posthog-js's names for the same things, so that a page can move without being rewritten
ALIASES = {
    "createPersonProfile": "create_person_profile",
    "resetGroups": "reset_groups",
    "setPersonProperties": "set_person_properties",
    "unsetPersonProperties": "unset_person_properties",
    "unregister_for_session": "unregister",
}
