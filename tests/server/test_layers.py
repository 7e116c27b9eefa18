"""Properties in layers: whatever order events come in, they say what the same writes would say in rows of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID, uuid5

from beknown_server.identity import ONCE, SET, winners, writes
from beknown_server.store import Project, Store, layers
from beknown_server.store.arrivals import person_id
from hypothesis import given
from hypothesis import strategies as st

from .conftest import BOTH_ENGINES, NOW, event

NAMES = ("$os", "$browser", "$initial_os", "$initial_browser")
BAGS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["a", "b", None]), max_size=4)


@dataclass
class Said:
    """What one event says."""

    at: int
    set_: dict[str, Any]
    once: dict[str, Any]
    unset: list[str] = field(default_factory=list)


EVENTS = st.lists(
    st.builds(Said, st.integers(0, 3), BAGS, BAGS, st.lists(st.sampled_from(NAMES[:2]), max_size=1)), max_size=7
)


@given(EVENTS, st.randoms(use_true_random=False), st.lists(st.booleans(), min_size=7, max_size=7))
def test_layers_say_what_rows_would_say_in_any_order(said: list[Said], dice: Random, apart: list[bool]) -> None:
    events = [event("x", "ada", one.at, set_=one.set_, set_once=one.once, unset=one.unset) for one in said]
    uuids = [bytes.fromhex(one.uuid.replace("-", "")) for one in events]
    rows = [
        write
        for one, uuid in zip(events, uuids, strict=True)
        for write in writes(one.set_, one.set_once, one.unset, at=one.timestamp, uuid=uuid)
    ]
    stored: dict[str, str] = {}
    waiting: dict[str, list[layers.Layer]] = {SET: [], ONCE: []}
    arrivals = list(zip(events, uuids, strict=True))
    dice.shuffle(arrivals)
    for (one, uuid), alone in zip(arrivals, apart, strict=False):  # some together, some after others were stored
        for kind, layer in layers.of_event(one, uuid):
            waiting[kind].append(layer)
        if alone:
            store_them(stored, waiting)
    store_them(stored, waiting)
    layered = [write for kind, text in stored.items() for write in layers.writes_of(kind, text)]
    assert winners(layered) == winners(rows)


def store_them(stored: dict[str, str], waiting: dict[str, list[layers.Layer]]) -> None:
    for kind, more in waiting.items():
        if more:
            old = layers.read(stored[kind]) if kind in stored else []
            stored[kind] = layers.written(layers.merged(kind, [*old, *more]))
            more.clear()


@given(st.integers(1, 1 << 40), st.text(min_size=1, max_size=20))
def test_a_persons_id_is_its_uuid5(project_id: int, name: str) -> None:
    namespace = UUID("5f6d9c4e-7f4b-4c1e-9a53-6265a06e6f77")
    assert person_id(project_id, name) == uuid5(namespace, f"{project_id}:{name}")


@BOTH_ENGINES
def test_people_are_found_by_what_lies_in_layers(store: Store, project: Project) -> None:
    for number in range(30):
        browser = "Firefox" if number % 10 == 0 else "Chrome"
        traits = {"$browser": browser, "$os": "a Firefox phone", "plan": "pro"}
        store.append(project.id, [event("x", f"id-{number}", NOW + number, set_=traits)], NOW)

    def found(search: str, limit: int = 50) -> list[str]:
        return [person.distinct_ids[0] for person in store.people(project.id, search=search, limit=limit)]

    assert found("$browser=firefox") == ["id-20", "id-10", "id-0"]  # and nobody whose $os says so
    assert found("$browser=firefox", limit=2) == ["id-20", "id-10"]
    assert len(found("plan=PRO")) == 30
    assert found("$browser=opera") == []
    person = store.person(project.id, "id-10")
    assert person is not None
    assert person.properties == {"$browser": "Firefox", "$os": "a Firefox phone", "plan": "pro"}
