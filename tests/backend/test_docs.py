"""docs/backend.md says what is so: its examples run, its table of options is the code's."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from beknown.backend import Client, sign
from fastapi import FastAPI
from flask import Flask

from .conftest import Recorder, in_a_loop
from .serving import uvicorned, wsgi

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/backend.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda source: source.splitlines()[0])
def test_each_example_runs_and_what_it_captures_arrives(source: str, recorder: Recorder) -> None:
    names: dict[str, Any] = {"__name__": __name__}
    made: list[Client] = []
    begin = Client._begin
    patch = pytest.MonkeyPatch()
    patch.setattr(Client, "_begin", lambda self: (begin(self), made.append(self))[0])
    try:
        exec(source.replace("https://t.example.com", recorder.url), names)
        if "main" in names:
            in_a_loop(names["main"]())
        if "app" in names:
            kinds: dict[type, Any] = {Flask: wsgi, FastAPI: uvicorned}
            with kinds[type(names["app"])](names["app"]) as url:
                headers = {"X-BEKNOWN-DISTINCT-ID": "user-4711"}
                if '"/pay"' in source:
                    assert "Thank you" in httpx.post(url + "/pay", headers=headers).text
                else:
                    assert httpx.post(url + "/login").json()["signature"] == sign("user-4711", "bks_...")
                    assert "Max-Age=0" in httpx.post(url + "/logout").headers["set-cookie"]
    finally:
        patch.undo()
        for client in made:
            client.close()
    wanted = {name for name in ("order_paid", "report_ready", "invoice_printed") if f'"{name}"' in source}
    assert wanted <= {event["event"] for event in recorder.events}
    assert bool(wanted) == ("capture(" in source)


def test_what_a_call_takes_is_what_was_measured_give_or_take_a_quarter() -> None:
    (told,) = re.findall(r"A call takes some (\d+) microseconds", TEXT)
    table = (ROOT / "bench/results/backend.md").read_text()
    measured = re.findall(r"\| microseconds per capture\(\) \| (\d+) \|", table)
    assert len(measured) == 2  # plain and gzip
    for each in measured:
        assert abs(int(told) - int(each)) <= int(each) / 4


def test_the_table_of_options_is_the_codes() -> None:
    told = re.findall(r"^\| (`.+?) \| (.+?) \|", TEXT, flags=re.MULTILINE)
    names = [name.strip("` ") for row, _ in told for name in row.split(",")]
    defaults = [value.strip() for _, row in told for value in re.split(r", (?!\d{3}\b)", row)]
    real = {one.name: one.default for one in fields(Client) if one.name not in ("key", "host", "_")}
    assert set(names) == set(real)
    shown = {64 * 1024 * 1024: "64 MiB", 10_000: "10,000"}
    for name, default in zip(names, defaults, strict=True):
        assert shown.get(real[name], str(real[name])) == default, name
