"""Where a project is asked about, outside of any request: the desk, and what the report wants of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from .columns import Columns
from .insights import Desk, zone_of
from .report import report
from .store import Project, Store


@dataclass(frozen=True, slots=True)
class Register:
    """A project's identities, as the report wants them."""

    store: Store
    project_id: int

    def identified(self) -> list[int]:
        """Give the numbers of the persons who are users."""
        return self.store.identified(self.project_id)

    def facts(self, start: int, stop: int) -> list[tuple[str, int, int, str, int]]:
        """Give what was said about ids in a time."""
        return self.store.facts(self.project_id, start, stop)

    def shared_texts(self, keys: list[str]) -> Iterator[tuple[int, str, str]]:
        """Give the values of these properties of those who may share one with somebody else."""
        return self.store.person_texts(self.project_id, keys, shared=True)


@contextmanager
def desk(store: Store, columns: Columns, project: Project, *, now: int) -> Iterator[Desk]:
    """Give a desk for one project. Raises TooBusy while its columnar copy is being made."""
    zone = zone_of(project.options)
    with columns.reading(project.id) as reading:
        yield Desk(reading, lambda keys: store.person_texts(project.id, keys), zone, zone.day(now))


def identity_report(
    store: Store, columns: Columns, project: Project, body: dict[str, Any], *, now: int
) -> dict[str, Any]:
    """Give the identity report, its examples as ``{"person_id", "name", "is_identified"}``."""
    with desk(store, columns, project, now=now) as place:
        answer = report(place, Register(store, project.id), body)
    named = store.named([number for finding in answer["findings"] for number in finding["examples"]])
    for finding in answer["findings"]:
        finding["examples"] = [asdict(named[number]) for number in finding["examples"] if number in named]
    return answer
