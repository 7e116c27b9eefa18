"""What the dashboard is built of is served in a checkout and packed into a wheel, and no folder of npm's."""

from __future__ import annotations

import re
from pathlib import Path

from beknown_server.furniture import FOLDERS, LIBRARIES, shelf

ROOT = Path(__file__).parents[3]


def packed() -> dict[str, str]:
    text = (ROOT / "hatch_build.py").read_text()
    # Without its base class: the builder is not installed where the server runs.
    names: dict[str, object] = {}
    exec(text[text.index("STATIC = ") : text.index("class ")], names)
    found = names["SERVED"]
    assert isinstance(found, dict)
    return found


def test_a_wheel_holds_all_that_is_served_and_nothing_else_of_npm() -> None:
    wanted = {f"static/{path}" for path in (*FOLDERS, *LIBRARIES.values())}
    assert {path for path in packed() if path.startswith("static/")} == wanted
    assert all((ROOT / path).exists() for path in wanted)
    assert set(LIBRARIES) <= set(shelf())


def test_a_wheel_holds_it_where_the_server_looks() -> None:
    for source, place in packed().items():
        assert place == ("beknown_server/bundled" if source == "build/bundle" else f"beknown_server/{source}")


def test_the_pictures_that_readme_shows_are_kept_and_small() -> None:
    shown = re.findall(r"\]\((docs/screenshots/[^)]+)\)", (ROOT / "README.md").read_text())
    assert len(shown) >= 4
    kept = [path for path in (ROOT / "docs/screenshots/.gitignore").read_text().splitlines() if path.startswith("!")]
    assert {Path(path).name for path in shown} <= {path[1:] for path in kept}
    assert sum((ROOT / "docs/screenshots" / path[1:]).stat().st_size for path in kept) < 1_500_000
