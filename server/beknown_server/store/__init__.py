"""The store: ``open_store(url)`` and the records that go in and come out."""

from __future__ import annotations

from ..errors import Misconfigured
from .arrivals import person_id
from .order import place_of, text_of
from .postgres import Postgres
from .records import (
    CURSOR,
    Appended,
    Claim,
    Counts,
    Event,
    Explanation,
    Group,
    KeptFact,
    KeptGroup,
    KeptId,
    Link,
    Origin,
    Person,
    PersonRef,
    Place,
    Project,
    Row,
    Warning,
)
from .sqlite import Sqlite
from .store import Store

__all__ = [
    "CURSOR",
    "Appended",
    "Claim",
    "Counts",
    "Event",
    "Explanation",
    "Group",
    "KeptFact",
    "KeptGroup",
    "KeptId",
    "Link",
    "Origin",
    "Person",
    "PersonRef",
    "Place",
    "Project",
    "Row",
    "Store",
    "Warning",
    "open_store",
    "person_id",
    "place_of",
    "text_of",
]


def open_store(url: str) -> Store:
    """Give the store at ``sqlite:///file`` or ``postgresql://...``; connects when first asked something."""
    if url.startswith("sqlite:"):
        return Store(Sqlite(url))
    if url.startswith(("postgresql:", "postgres:")):
        return Store(Postgres(url))
    raise Misconfigured(f"no store speaks {url.partition(':')[0]!r}. Write sqlite:///file or postgresql://host/name.")
