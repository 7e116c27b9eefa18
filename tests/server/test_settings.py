"""Settings: one table for code, environment and command line; and databases that are none."""

from __future__ import annotations

import pytest
from beknown_server.errors import Misconfigured
from beknown_server.settings import OPTIONS, Settings, read_settings
from beknown_server.store import open_store


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "beknown.db"])
def test_a_database_that_is_none_is_refused_with_advice(url: str) -> None:
    with pytest.raises(Misconfigured, match="Write sqlite:///"):
        open_store(url)


def test_the_command_line_goes_before_the_environment_before_the_default() -> None:
    environment = {"BEKNOWN_PORT": "9000", "BEKNOWN_HOST": "0.0.0.0"}
    found = read_settings(environment, port=9001, database=None)
    assert (found.port, found.host, found.database) == (9001, "0.0.0.0", "sqlite:///beknown.db")


@pytest.mark.parametrize(
    "environment",
    [
        {"BEKNOWN_PORT": "http"},
        {"BEKNOWN_MIGRATE": "maybe"},
        {"BEKNOWN_WORKERS": "0"},
        {"BEKNOWN_KEY": "bks_x"},
        {"BEKNOWN_KEY": "k", "BEKNOWN_SECRET_KEY": "k"},
    ],
)
def test_what_cannot_be_set_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        read_settings(environment)


def test_settings_may_be_logged() -> None:
    written = repr(Settings(secret_key="bks_secret", database="postgresql://u:password@h/d"))
    assert "bks_secret" not in written
    assert "password" not in written


def test_every_option_says_what_it_does() -> None:
    assert all(option.help.strip() for option in OPTIONS)


@pytest.mark.parametrize(
    ("migrate", "database", "does"),
    [
        ("auto", "sqlite:///x", True),
        ("auto", "postgresql://x", False),
        ("yes", "postgresql://x", True),
        ("no", "sqlite:///x", False),
    ],
)
def test_sqlite_migrates_by_itself_and_others_when_told(migrate: str, database: str, does: bool) -> None:
    assert Settings(migrate=migrate, database=database).migrates() is does
