"""What is logged: by JSON or as text, and never what a visitor sent or where they sent it from."""

from __future__ import annotations

import logging
import sys

import orjson
import pytest
from beknown_server.logs import AsJson, AsText


def record(name: str, message: str, *values: object, error: bool = False) -> logging.LogRecord:
    return logging.LogRecord(
        name,
        logging.ERROR,
        "x.py",
        1,
        message,
        values,
        sys.exc_info() if error else None,  # type: ignore[arg-type]
    )


def test_a_line_is_one_object_with_the_errors_type_and_place_and_not_its_words() -> None:
    try:
        raise ValueError("ada@example.com is not a number")
    except ValueError:
        made = record("beknown.store", "work on the store\nfailed", error=True)
    said = orjson.loads(AsJson().format(made))
    assert said["message"] == "work on the store failed"
    assert said["error"] == "ValueError"
    assert said["at"][0].startswith("test_logs.py:")
    for form in (AsJson(), AsText()):
        line = form.format(made)
        assert "ada@example.com" not in line
        assert "\n" not in line


@pytest.mark.parametrize(
    "message", ["Invalid request from ip=192.0.2.1: bad header 'x: ada'", "Error handling request /e/?data=ada"]
)
def test_what_gunicorn_quotes_of_a_request_is_left_out(message: str) -> None:
    line = AsText().format(record("gunicorn.error", message))
    assert "192.0.2.1" not in line
    assert "ada" not in line
    assert "request" in line
