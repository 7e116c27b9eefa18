"""The TypeScript declarations say what the tag really has, and the compiler agrees."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from beknown.calls import ALIASES, CALLS

ROOT = Path(__file__).parents[2]
DECLARATIONS = ROOT / "static/beknown.d.ts"
COMPILER = ROOT / "static/node_modules/.bin/tsc"
FLAGS = "--noEmit --strict --target es2021 --lib es2021,dom --types --pretty false".split()

RIGHT = """
interface Plan { name: string; seats: number }
const plan: Plan = { name: "pro", seats: 3 };
beknown.capture("signup_clicked");
beknown.capture("bought", { items: ["a"], plan, at: new Date() }, { $set: plan, $set_once: { first: 1 } });
beknown.identify("user-4711", { name: "Ada" }, { source: "ad" });
beknown.identify(4711);
beknown.reset();
beknown.reset({ device: true, keep: ["theme"] });
beknown.alias("old-id");
beknown.group("company", "acme", { seats: 3 });
beknown.register({ theme: "dark" });
beknown.register_once({ landing: "/" });
beknown.register_for_session({ campaign: "x" });
beknown.unregister("theme");
beknown.set_person_properties({ plan: "pro" }, { first: "x" });
beknown.unset_person_properties(["plan"]);
const ids: string[] = [beknown.get_distinct_id(), beknown.get_device_id(), beknown.get_session_id()];
beknown.ready.then(({ runtime, version }) => console.log(runtime === "micropython", version.length, ids));
async function leave(): Promise<void> { await window.beknown?.flush(); }
const later: Beknown.Calls = beknown;
leave().then(() => later.capture("left"));
beknown.reset_groups();
beknown.create_person_profile();
beknown.people.set({ plan: "pro" });
beknown.people.set_once("source", "ad");
const known: boolean[] = [beknown.has_opted_in_capturing(), beknown.has_opted_out_capturing(), beknown.is_capturing()];
if (beknown.get_explicit_consent_status() === "denied") console.log(known);
beknown.opt_in();
beknown.opt_out();
beknown.opt_in_capturing();
beknown.reset(true);
beknown.setPersonProperties({ plan: "pro" });
const mode: "granted" | "pending" | "cookieless" | "denied" = beknown.consent();
beknown.before_send((event) => (event.event === mode ? null : { ...event, properties: { plan } }));
const deafen: () => void = beknown.on("capture", (event) => console.log(event.uuid, event.properties.plan));
beknown.on("identify", (id) => id.length);
beknown.on("reset", (id) => id.length);
beknown.on("session", (id) => id.length);
beknown.on("error", (message) => message.length);
deafen();
"""

WRONG = [
    "beknown.capture();",
    "beknown.capture(5);",
    "beknown.capture('a', 'b');",
    "beknown.identify();",
    "beknown.identify(null);",
    "beknown.identify({id: 1});",
    "beknown.reset({keep: 5});",
    "beknown.group('company');",
    "beknown.opt_off();",
    "beknown.people.set(5);",
    "beknown.opt_in(5);",
    "beknown.on('click', () => {});",
    "beknown.on('session', (id: number) => {});",
    "beknown.before_send('drop');",
    "beknown.before_send(() => 5);",
    "beknown.before_send(() => ({ properties: {} }));",
    "if (beknown.consent() === 'refused') {}",
    "beknown.ready = Promise.resolve();",
    "const id: number = beknown.get_distinct_id();",
    "window.beknown.capture('a');",
]


def compiled(folder: Path, source: str) -> str:
    """Give what the compiler complains about."""
    page = folder / "page.ts"
    page.write_text(source)
    # Node of our own, where the system has none, is beside Python.
    done = subprocess.run([COMPILER, *FLAGS, DECLARATIONS, page], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0 or "error TS" in done.stdout, done.stdout + done.stderr
    return done.stdout


def test_every_call_of_the_readme_compiles(tmp_path: Path) -> None:
    assert compiled(tmp_path, RIGHT) == ""


def test_each_mistake_is_found(tmp_path: Path) -> None:
    said = compiled(tmp_path, "\n".join(WRONG))
    found = {int(line) for line in re.findall(r"page\.ts\((\d+),", said)}
    assert [WRONG[line - 1] for line in sorted(set(range(1, len(WRONG) + 1)) - found)] == []


def test_nothing_that_the_readme_names_is_left_out() -> None:
    section = (ROOT / "README.md").read_text().partition("## JavaScript")[2].partition("\n\nAny other name")[0]
    names = set(re.findall(r"`(\w+)", section))
    assert len(names) > 10
    assert names <= declared()


def test_every_call_that_the_core_runs_is_declared() -> None:
    assert {name for name in [*CALLS, *ALIASES] if not name.startswith("page")} <= declared()


def declared() -> set[str]:
    return set(re.findall(r"^      (?:readonly )?(\w+)[(:]", DECLARATIONS.read_text(), re.MULTILINE))
