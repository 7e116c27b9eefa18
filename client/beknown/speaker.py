"""The calls of a backend, common to ``Client`` and ``AsyncClient``.

Rules:
- Every call names whose event it is, or is made where ``identify_context`` says it. Never an id of our own making.
- A call returns the event's uuid once the event is taken, otherwise None.
- One wall (``_speak``): no call raises into the application, unless ``raise_errors`` asks for it. What went wrong
  goes to the log and to ``on_error``, with the events concerned. Before it, arguments are only passed on.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from . import context, record
from .channel import Channel, log
from .errors import BeknownError, NotSent
from .ids import RANDOM_BYTES, uuid7

Id = str | int | UUID | None
Properties = Mapping[str, Any] | None


@dataclass(eq=False)
class Speaker(Channel):
    """A channel with the calls that fill it."""

    _minted = (0, 0)  # the ms of the last uuid, and its number within it

    def capture(
        self,
        distinct_id: Id,
        event: str,
        properties: Properties = None,
        *,
        groups: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
        uuid: UUID | str | None = None,
    ) -> str | None:
        """Say that something happened; give the event's uuid, or None if it was not taken.

        ``distinct_id`` None means the visitor of the surrounding ``identify_context``. ``groups``: type to key.
        ``timestamp`` without zone is UTC; default now. The same ``uuid`` sent twice is stored once.
        """
        return self._speak(
            "capture()", event, distinct_id, properties, within={"$groups": groups}, timestamp=timestamp, uuid=uuid
        )

    def identify(self, distinct_id: Id, properties: Properties = None) -> str | None:
        """Set properties of a person, and nothing else: on a backend this links no ids and marks nobody.

        Linking what a visitor did before log-in is the page's ``identify`` (it alone knows the anonymous id),
        or ``alias``.
        """
        return self._speak("identify()", "$identify", distinct_id, None, top={"$set": properties})

    def set(self, distinct_id: Id, properties: Properties) -> str | None:
        """Set properties of a person; the latest value counts."""
        return self._speak("set()", "$set", distinct_id, None, top={"$set": properties})

    def set_once(self, distinct_id: Id, properties: Properties) -> str | None:
        """Set properties of a person unless they are set already; the earliest value counts."""
        return self._speak("set_once()", "$set", distinct_id, None, top={"$set_once": properties})

    def alias(self, distinct_id: Id, alias: Id, *, signature: str = "") -> str | None:
        """Say that ``alias`` is another name of ``distinct_id``, used where that one was not at hand.

        ``signature``: ``sign(id, secret_key)`` of the user among the two, where the project demands signed identities.
        """
        return self._speak("alias()", "$create_alias", distinct_id, None, alias=alias, signature=signature)

    def group_identify(
        self, group_type: str, group_key: str, properties: Properties = None, *, distinct_id: Id = None
    ) -> str | None:
        """Set properties of a group, such as a company. It is nobody's event unless ``distinct_id`` says whose."""
        group, within = (group_type, group_key), {"$group_set": properties}
        return self._speak("group_identify()", "$groupidentify", distinct_id, None, group=group, within=within)

    # From call to queue -------------------------------------------------------------------------------------

    def _speak(self, call: str, event: str, distinct_id: Id, properties: Properties, **more: Any) -> str | None:
        if self.disabled:
            return None
        built: list[dict[str, Any]] = []
        try:
            final = self._built(call, event, distinct_id, properties, **more)
            if final is None:
                return None
            built += [final] if isinstance(final, dict) else []
            self._queue(final["uuid"], record.encoded(final))
        except BeknownError as refusal:
            error = refusal
        except Exception as surprise:  # the wall: an application is not to fail because its analytics do
            error = NotSent(f"{call} failed and was not sent: {surprise!r}")
        else:
            self._send()
            return str(final["uuid"])
        self._failed(error, built)
        if self.raise_errors:
            raise error
        return None

    def _send(self) -> None:
        """See that what waits is sent, behind the same wall."""
        try:
            undelivered = self._queued()
        except Exception as surprise:
            undelivered = NotSent(f"nothing can be sent now: {surprise!r}. The event waits.")
            self._failed(undelivered, [])
        if undelivered is not None and self.raise_errors:
            raise undelivered

    def _built(
        self,
        call: str,
        name: str,
        distinct_id: Id,
        properties: Properties,
        *,
        top: dict[str, Properties] | None = None,
        within: dict[str, Properties] | None = None,
        group: tuple[str, str] | None = None,
        alias: Id = None,
        signature: str = "",
        timestamp: datetime | None = None,
        uuid: UUID | str | None = None,
    ) -> dict[str, Any] | None:
        here = context.visitor()
        if group is not None:
            properties, nobody = record.of_group(*group)
            distinct_id = nobody if distinct_id is None and here is None else distinct_id
        if distinct_id is None and context.has_refused():
            log.debug("%s: this visitor has said no (opt_out()); nothing is sent.", call)
            return None
        who = record.whose(here.distinct_id if distinct_id is None and here else distinct_id, call)
        if name == "$create_alias":
            properties = {"distinct_id": who, "alias": record.whose(alias, call)}
            properties |= {"$signature": signature} if signature else {}
        now = time.time() * 1000
        about_person = record.is_about_person(name, properties, within)
        event, complaints = record.build(
            record.named(name),
            who,
            properties,
            uuid=record.checked_uuid(uuid) if uuid else self._new_uuid(int(now)),
            at=record.moment(timestamp, now),
            context=dict(here.properties) if here else {},
            # Another's session and device are not this person's.
            only_ours=here.marks(about_person=about_person) if here and here.distinct_id == who else {},
            top=top,
            within=within,
        )
        for complaint in complaints:
            log.warning("%s of %s: %s", call, name, complaint)
        return event if self.before_send is None else self.before_send(event)

    def _new_uuid(self, now: int) -> str:
        """Give a uuid that sorts after the last one of the same ms (RFC 9562 §6.2, method 1): servers that order
        what happened by time and uuid then see the calls in the order they were made."""
        with self._changed:
            last, number = self._minted
            number = number + 1 if now == last else 0
            self._minted = now, number
        return uuid7(now, (min(number, 0xFFF) << 4).to_bytes(2, "big") + os.urandom(RANDOM_BYTES - 2))
