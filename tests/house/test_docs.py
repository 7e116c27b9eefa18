"""README tells the truth: what can be set or called is in it, and what it names exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from beknown import calls
from beknown_server.settings import OPTIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
STUB = (ROOT / "static/beknown.js").read_text() + (ROOT / "static/start.js").read_text()
CLIENT = "\n".join(path.read_text() for path in (ROOT / "client/beknown").rglob("*.py"))


def attributes() -> set[str]:
    """The tag's attributes as the stub and the core read them: dataset's camelCase, and the core's texts."""
    read = set(re.findall(r"\boptions\.(\w+)\b(?!\()", STUB)) | set(re.findall(r'options\.get\("(\w+)"', CLIENT))
    return {"data-" + re.sub(r"([A-Z])", lambda match: "-" + match[1].lower(), name) for name in read}


def test_every_attribute_of_the_tag_is_in_the_table_and_no_other() -> None:
    table = set(re.findall(r"^\| `(data-[a-z-]+)` \|", README, re.MULTILINE))
    assert attributes() == table


def test_every_call_is_listed() -> None:
    surface = README[README.index("## JavaScript") : README.index("## The server")]
    called = {name for name in calls.CALLS if not name.startswith("page")}  # pageview and pageleave are the stub's own
    offered = set(re.findall(r"`(\w+)(?:\(|`)", surface))
    assert called - {"set", "set_once"} <= offered  # of posthog-js's people
    moving = (ROOT / "docs/posthog.md").read_text()
    assert {name for name in [*calls.ALIASES, "people.set", "people.set_once"] if f"`{name}`" not in moving} == set()


def test_every_setting_of_the_server_is_in_its_table() -> None:
    text = (ROOT / "docs/operating.md").read_text()
    for option in OPTIONS:
        assert f"`{option.variable}`" in text, f"docs/operating.md does not tell of {option.variable}"


def test_every_folder_and_file_it_names_exists() -> None:
    for name in re.findall(r"`((?:client|server|static|tests|bench|docs)/[\w./-]*)`", README):
        assert (ROOT / name).exists(), name


def test_make_bench_makes_every_table_that_is_quoted() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    quoted = {name for page in pages for name in re.findall(r"bench/(?:results/)?(\w+)\.(?:md|py)", page.read_text())}
    (made,) = re.findall(r"\nbench:.*\n\t@for each in ([\w ]+); do python bench/", (ROOT / "Makefile").read_text())
    assert {"page", "population"} <= quoted
    assert quoted - set(made.split()) == set()
    assert {name for name in made.split() if not (ROOT / f"bench/{name}.py").exists()} == set()


def test_every_picture_that_is_shown_exists() -> None:
    shown: set[Path] = set()
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        shown |= {(page.parent / name).resolve() for name in pictures(page.read_text())}
    assert shown
    assert {str(path) for path in shown if not path.is_file() or not path.is_relative_to(ROOT / "docs")} == set()


def pictures(text: str) -> list[str]:
    """Give the addresses of the pictures of our own that a Markdown text shows."""
    found = re.findall(r"!\[[^\]]*\]\(\s*<?([^)>\s]+)", text)
    found += re.findall(r"""<(?:img|source)\b[^>]*?\bsrc(?:set)?=["']?([^"'>\s]+)""", text)
    return [name for name in found if not re.match(r"[a-z]+:|//", name)]


def test_a_picture_is_found_however_it_is_shown() -> None:
    text = '![a](docs/a.webp) | ![b c](docs/b.png "title") ![badge](https://example.com/x.svg) [a page](docs/e.md)'
    text += '\n<picture><source srcset="docs/c.webp"><img alt="" src="docs/d.webp"></picture>'
    assert pictures(text) == ["docs/a.webp", "docs/b.png", "docs/c.webp", "docs/d.webp"]


def test_the_sizes_it_quotes_are_those_of_the_bundle_give_or_take_a_tenth() -> None:
    built = json.loads((ROOT / "build/bundle/manifest.json").read_text())["assets"]
    # The last part of the address is not enough: PyScript brings a micropython.wasm of its own.
    sizes = {Path(asset["path"]).name: asset["brotli"] for asset in built if "pyscript" not in asset["path"]}
    quoted = [
        float(number.replace(",", ""))
        for number in re.findall(r"\| ([\d,]+) \| (?:with the page|after the page)", README)
    ]
    quoted += [float(number) * 1000 for number in re.findall(r"(?:`start\.js`, |worker: )([\d.]+) kB", README)]
    actual = [sizes["beknown.js"], sizes["micropython.js"] + sizes["micropython.wasm"] + sizes["start.js"]]
    actual += [sizes["start.js"], sizes["micropython.wasm"]]
    assert len(quoted) == 4
    assert actual[0] <= 2500, "the stub is on every page's way: 2,500 bytes, no more"
    for told, true in zip(quoted, actual, strict=True):
        assert abs(told - true) <= true / 10


def test_the_bytes_that_it_quotes_are_those_of_the_last_run_with_a_bundle_about_as_large() -> None:
    page, hosts = ((ROOT / f"bench/results/{name}.md").read_text() for name in ("page", "hosts"))
    tag, _ = re.findall(r"^\| bytes in all.* \| ([\d,]+) \| ([\d,]+) \|$", README, re.MULTILINE)[0]
    assert f"| {tag} | " in re.findall(r"^\| bytes in total .*", page, re.MULTILINE)[0]
    row = r"^\| [^|]+ \| ([\d,]{6,}) \|"
    quoted = re.findall(row, README.partition("## Which Python")[2].partition("\n## ")[0], re.MULTILINE)
    assert quoted == re.findall(row, hosts.partition("## Second visit")[0], re.MULTILINE)
    built = json.loads((ROOT / "build/bundle/manifest.json").read_text())["assets"]
    first = {"beknown.js", "start.js", "micropython.js", "micropython.wasm"}
    size = sum(each["brotli"] for each in built if Path(each["path"]).name in first and "pyscript" not in each["path"])
    for told in (tag, quoted[0]):
        assert size < int(told.replace(",", "")) < size * 1.06, "measure again: bench/page.py, bench/hosts.py"


@pytest.mark.parametrize("page", ["README.md", "docs/identity.md"])
def test_the_people_told_apart_are_those_of_the_last_run_row_by_row(page: str) -> None:
    measured: dict[str, list[str]] = {}
    for part in (ROOT / "bench/results/population.md").read_text().split("\n## ")[1:]:
        measured[part.partition(" (")[0].lower()] = re.findall(r"^\| (.+%) \|$", part, re.MULTILINE)
    quoted: dict[str, list[str]] = {}
    world = ""  # only the first of its rows names it
    for name, row in re.findall(r"^\| ?([a-z, ]*?) \| (.+%) \|$", (ROOT / page).read_text(), re.MULTILINE):
        world = name or world
        quoted.setdefault(world, []).append(row)
    assert {"an ordinary site", "shared devices"} <= set(quoted)
    assert quoted == {name: measured[name] for name in quoted}
