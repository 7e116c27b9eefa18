"""What the dashboard is built of is served in a checkout and packed into a wheel, and no folder of npm's."""

from __future__ import annotations

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


def test_every_page_is_kept_as_a_picture_and_small() -> None:
    kept = sorted((ROOT / "docs/screenshots").glob("*.webp"))
    pages = {path.name.rsplit("-", 2)[0] for path in kept}
    wanted = {
        f"{page}-{size}-{scheme}" for page in pages for size in ("desktop", "phone") for scheme in ("light", "dark")
    }
    assert {path.stem for path in kept} == wanted
    assert {"overview", "live", "people", "person", "identity", "warnings", "settings", "funnel", "retention"} <= pages
    assert sum(path.stat().st_size for path in kept) < 4_000_000
