"""“Why this is one person”: every link is on the person's page, once, with what told it, and can be undone there."""

from __future__ import annotations

import random
import re
from html import unescape
from uuid import uuid4

import pytest
from beknown_server import links
from beknown_server.errors import Refusal
from beknown_server.identity import REFUSED_FOR_GOOD
from beknown_server.store import Claim, Event

from ..conftest import BOTH_ENGINES
from ..histories import IDS, event_of, history
from .conftest import NOW

KEY = {"Authorization": "Bearer bks_dashboardtests"}
EVENTS = {"claim": "$identify", "named": "$identify", "alias": "$create_alias", "forced_merge": "$merge_dangerously"}


def tell(dashboard, *told):
    """Store what was said, (kind, x, y), a moment apart."""
    claims = [Claim(*one) for one in told]
    events = [Event(str(uuid4()), EVENTS[one.kind], one.y, NOW + n, {}, claim=one) for n, one in enumerate(claims)]
    dashboard.store.append(dashboard.project.id, events, NOW)
    return [event.uuid for event in events]


def offered(client, any_id, query=""):
    """Give the numbers of the links that the page of somebody lets undo, and those it lets redo, sorted."""
    page = client.get(f"/people/{any_id}{query}").text
    return tuple(
        sorted(int(one) for one in re.findall(rf'formaction="/people/{verb}" name="link" value="(\d+)"', page))
        for verb in ("undo", "redo")
    )


def explained(client, any_id):
    """Give the same as the API has it: a link that was refused for good cannot be undone."""
    told = client.get(f"/api/persons/{any_id}/explain", headers=KEY).json
    standing = [one["id"] for one in told["links"]]
    standing += [one["id"] for one in told["refused"] if one["rule"] not in REFUSED_FOR_GOOD]
    return sorted(standing), sorted(one["id"] for one in told["undone"])


def rows(page):
    """Give what a reader reads in each row of the lists."""
    found = re.findall(r"(?s)<li>(.*?)</li>", page)
    return [" ".join(unescape(re.sub("<[^>]+>", " ", one)).split()).replace(" ,", ",") for one in found]


@pytest.mark.parametrize(
    "told",
    [
        [("claim", "anon-1", "ada"), ("claim", "anon-2", "bob"), ("forced_merge", "anon-1", "bob")],
        [("alias", "x2", "b2"), ("alias", "x2", "c2")],
        [("claim", "anon-1", "ada"), ("claim", "anon-1", "ada"), ("named", "ada", "ada")],
        [("claim", "anon-1", "ada"), ("claim", "anon-1", "bob"), ("claim", "null", "bob")],
        [("alias", "ada", "anon-1"), ("alias", "anon-1", "anon-2"), ("alias", "anon-3", "ada")],
    ],
    ids=["across-two-users", "one-id-twice", "said-again", "refused", "chain-of-aliases"],
)
def test_every_link_is_on_the_page_and_can_be_undone_there(dashboard, told):
    told = [(*one, *(["junk_id"] if "null" in one else [])) for one in told]
    tell(dashboard, *told)
    client = dashboard.signed_in()
    for any_id in {one for _, *both in told for one in both[:2]} - {"null"}:
        assert offered(client, any_id) == explained(client, any_id)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happened_page_and_api_have_the_same_links(dashboard, seed):
    chance = random.Random(seed)
    dashboard.store.append(dashboard.project.id, [event_of(one) for _ in "ab" for one in history(chance)], NOW)
    client, corrections = dashboard.signed_in(), dashboard.store.corrections
    for _ in range(4):
        try:
            corrections.merge(dashboard.project.id, chance.choice(IDS), chance.choice(IDS), now=NOW + 100)
            standing, _ = explained(client, chance.choice(IDS))
            corrections.undo(dashboard.project.id, chance.choice(standing), now=NOW + 200)
            corrections.split(dashboard.project.id, [chance.choice(IDS)], now=NOW + 300)
        except (Refusal, KeyError, IndexError):
            continue
    for one in client.get("/api/persons", headers=KEY).json["results"]:
        assert offered(client, one["person_id"]) == explained(client, one["person_id"])


@BOTH_ENGINES
def test_a_link_tells_its_ids_its_rule_and_its_event(dashboard):
    uuids = tell(
        dashboard,
        ("claim", "anon-1", "ada"),
        ("claim", "anon-2", "bob"),
        ("forced_merge", "anon-1", "bob"),
        ("claim", "anon-2", "bob"),
    )
    client = dashboard.signed_in()
    page = client.get("/people/bob").text
    expected = [
        r"ada Linked by identify from anon-1, 23 Nov, .* by \$identify Undo .*",
        r"anon-1 Merged by force to bob, 23 Nov, .* by \$merge_dangerously Undo .*",
        r"anon-2 Linked by identify to bob, 23 Nov, .* by \$identify Undo .*",
        r"anon-2 → bob Linked again; nothing changed, 23 Nov, .* by \$identify Undo .*",
        r"bob The user's own id",
    ]
    for read, pattern in zip(sorted(rows(page)), expected, strict=True):
        assert re.fullmatch(pattern, read)
    for uuid in uuids:
        address = unescape(re.search(rf'href="([^"]+)" title="{uuid}"', page)[1])
        event = next(one for one in dashboard.store.recent(dashboard.project.id) if one.uuid == uuid)
        first = re.search(r'data-seq="(\d+)"', client.get(address).text)
        assert int(first[1]) == event.seq, "it leads to where the timeline has the event"


def test_a_merge_without_an_event_may_be_an_operators(dashboard):
    tell(dashboard, ("claim", "anon-1", "ada"), ("claim", "anon-2", "bob"))
    dashboard.store.corrections.merge(dashboard.project.id, "ada", "bob", now=NOW + 9)
    page = dashboard.signed_in().get("/people/bob").text
    assert any("Merged by force to bob" in one and "by an operator, or its event is gone" in one for one in rows(page))


def test_a_refused_link_is_undone_on_the_page_but_not_one_that_was_refused_for_good(dashboard):
    tell(dashboard, ("claim", "anon-1", "ada"), ("claim", "anon-1", "bob"), ("claim", "null", "bob", "junk_id"))
    client = dashboard.signed_in()
    refused = [one for one in rows(client.get("/people/bob").text) if "Refused" in one]
    assert ["Undo" in one for one in refused] == [True, False]
    assert all("by $identify" in one for one in refused)


def test_a_person_of_very_many_links_is_listed_a_page_at_a_time(dashboard):
    count = 2 * links.LISTED + 10
    tell(dashboard, *(("claim", f"anon-{number:03d}", "ada") for number in range(count)))
    client = dashboard.signed_in()
    page = client.get("/people/ada").text
    assert f"1–{links.LISTED} of {count + 1}" in page
    assert "beknown person explain" in page
    assert client.get(re.search(r'href="(/api/persons/[^"]+/explain)"', page)[1]).status_code == 200
    found = [offered(client, "ada", f"?links={start}")[0] for start in range(0, count + 1, links.LISTED)]
    assert [len(each) for each in found] == [links.LISTED - 1, links.LISTED, 11]
    assert sorted(number for each in found for number in each) == explained(client, "ada")[0]
    more = unescape(re.search(r'href="(/people/[^"]+\?links=[^"]+)"', page)[1])
    assert offered(client, more.removeprefix("/people/").partition("?")[0], "?" + more.partition("?")[2])[0] == found[1]
    assert offered(client, "ada", "?links=99999")[0] == found[0], "behind the end it begins anew"
