"""What posthog-js takes for a bot is one here too, by the list of the package itself; people's browsers are people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from beknown import event, filter

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / "static/node_modules/@posthog"
PROGRAMS = ("HeadlessChrome", "curl/", "python-requests/")
AGENTS = [
    agent for agent in (HERE / "agents.txt").read_text().splitlines() if not any(name in agent for name in PROGRAMS)
]


def listed(path: str, name: str) -> list[str]:
    """Give the texts of a list of theirs."""
    text = (PACKAGES / path).read_text()
    found = re.search(rf"{name} = .*?\[(.*?)\]", text, re.DOTALL)
    assert found, f"{path} has no {name} any more"
    return re.findall(r"'([^']+)'", found[1])


BOTS = listed("core/dist/utils/bot-detection.mjs", "DEFAULT_BLOCKED_UA_STRS")


def test_their_list_was_found() -> None:
    assert len(BOTS) >= 78
    assert {"bot/", "googlebot", "bytespider"} <= set(BOTS)


@pytest.mark.parametrize("name", BOTS)
def test_each_of_their_bots_is_one_here(name: str) -> None:
    for agent in (
        name,
        f"Mozilla/5.0 (compatible; {name}; +https://example.com/about)",
        f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 {name.title()} 1.0",
    ):
        assert filter.is_bot({"agent": agent}), agent
    assert filter.is_bot({"agent": AGENTS[0], "brands": f'"{name}";v="142"'})


@pytest.mark.parametrize("agent", AGENTS)
def test_peoples_browsers_are_none(agent: str) -> None:
    assert not filter.is_bot({"agent": agent, "brands": '"Not A;Brand";v="99"'})


def test_their_names_of_campaigns_and_clicks_are_known_here() -> None:
    path = "browser-common/dist/utils/event-utils.mjs"
    assert set(listed(path, "CAMPAIGN_PARAMS")) <= set(event.CAMPAIGN)
    assert set(listed(path, "PERSONAL_DATA_CAMPAIGN_PARAMS")) <= set(filter.PERSONAL)
