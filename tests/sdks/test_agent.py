"""Browser, system and device of a user agent: the server's answer and posthog-js's own, text by text."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from beknown_server import agent

HERE = Path(__file__).parent
AGENTS = (HERE / "agents.txt").read_text().splitlines()
THEIRS = HERE.parents[1] / "static/node_modules/@posthog/core/dist/utils/user-agent-utils.mjs"
ASK = """
import { readFileSync } from "node:fs";
const theirs = await import(process.argv[1]);
const said = JSON.parse(readFileSync(0)).map((agent) => {
  // What every browser with Apple's engine says beside its agent.
  const vendor = /iPhone|iPad|iPod|Macintosh.*Version/.test(agent) ? "Apple Computer, Inc." : "";
  const [os, version] = theirs.detectOS(agent);
  return {
    $browser: theirs.detectBrowser(agent, vendor), $browser_version: theirs.detectBrowserVersion(agent, vendor),
    $os: os, $os_version: version, $device: theirs.detectDevice(agent), $device_type: theirs.detectDeviceType(agent),
  };
});
console.log(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[str, Any]]:
    command = [shutil.which("node") or "node", "--input-type=module", "-e", ASK, str(THEIRS)]
    done = subprocess.run(command, input=json.dumps(AGENTS), capture_output=True, text=True, check=True)
    return dict(zip(AGENTS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("text", AGENTS)
def test_it_is_named_as_posthog_js_names_it(text: str, theirs: dict[str, dict[str, Any]]) -> None:
    said = {name: value for name, value in theirs[text].items() if value not in ("", None)}
    assert agent.told({"$raw_user_agent": text, "$lib": "beknown"}) == said
