"""Migrations: Alembic, run from here; nobody needs its command line.

Rules:
- One history for both engines, in ``migrations/versions``; each step and its record are one transaction.
- Two processes that start together migrate one after the other.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..errors import TooBusy

LOCK = 0x6B6E6F776E  # an arbitrary number of ours for PostgreSQL's advisory lock

_FOLDER = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Bring the database at a SQLAlchemy address up to date."""
    engine = _engine(url, "begin immediate")
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
            command.upgrade(_config(connection), "head")
    finally:
        engine.dispose()


def pending(url: str) -> list[str]:
    """Give the names of the steps that the database lacks, oldest first."""
    engine = _engine(url, "begin")
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise TooBusy("store_away", f"the database does not say what it holds: {type(error).__name__}.") from error
    finally:
        engine.dispose()
    script = ScriptDirectory.from_config(_config(None))
    return [step.revision for step in reversed(list(script.iterate_revisions("head", current or "base")))]


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _engine(url: str, begin: str) -> Engine:
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        # The driver would commit before each change of the schema. These two lines make it part of the transaction.
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
