"""What browsers load: addresses, caching, compression, policies."""

from __future__ import annotations

import gzip
import importlib.metadata
import io
import json
import zipfile
from pathlib import Path

import brotli
import pytest
from beknown_server import assets, wheel
from flask import Flask
from flask.testing import FlaskClient

WORKER = "/v/0123456789abcdef/micropython.js"
CONTENT = b"onmessage = () => {};" * 20


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small bundle with every kind of file."""
    listed = []
    for path in ("beknown.js", WORKER[1:], WORKER[1:].replace("micropython.js", "micropython.wasm")):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CONTENT)
        (tmp_path / (path + ".br")).write_bytes(brotli.compress(CONTENT))
        (tmp_path / (path + ".gz")).write_bytes(gzip.compress(CONTENT))
        listed.append({"path": path, "integrity": f"sha384-{path}".ljust(80, "x")})
    (tmp_path / "secret.txt").write_text("not in the manifest")
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "0123456789abcdef", "assets": listed}))
    monkeypatch.setattr(assets, "PLACES", (tmp_path,))
    return tmp_path


@pytest.fixture
def browser(bundle: Path) -> FlaskClient:
    app = Flask(__name__)
    app.register_blueprint(assets.bp)
    return app.test_client()


@pytest.mark.parametrize(
    ("accepted", "encoding", "decode"),
    [
        ("gzip, deflate, br, zstd", "br", brotli.decompress),
        ("gzip", "gzip", gzip.decompress),
        ("br;q=0, gzip;q=0.5", "gzip", gzip.decompress),
        ("identity", None, bytes),
    ],
)
def test_it_sends_the_best_form_that_the_browser_takes(browser, accepted, encoding, decode):
    answer = browser.get(WORKER, headers={"Accept-Encoding": accepted})
    assert answer.status_code == 200
    assert answer.headers.get("Content-Encoding") == encoding
    assert decode(answer.data) == CONTENT
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_the_stub_is_asked_for_again_and_the_rest_never(browser):
    assert browser.get("/beknown.js").headers["Cache-Control"] == "public, max-age=3600"
    assert browser.get(WORKER).headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_what_has_not_changed_is_not_sent_again_and_each_form_has_its_tag(browser):
    first = browser.get("/beknown.js", headers={"Accept-Encoding": "br"})
    tag = first.headers["ETag"]
    again = browser.get("/beknown.js", headers={"Accept-Encoding": "br", "If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["Access-Control-Allow-Origin"] == "*"
    other = browser.get("/beknown.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert other.status_code == 200


def test_types_are_what_streaming_compilation_and_nosniff_want(browser):
    assert browser.get(WORKER).headers["Content-Type"].startswith("text/javascript")
    wasm = browser.get(WORKER.replace("micropython.js", "micropython.wasm"))
    assert wasm.headers["Content-Type"] == "application/wasm"
    assert wasm.headers["X-Content-Type-Options"] == "nosniff"


def test_any_site_may_embed_it(browser):
    for path in ("/beknown.js", WORKER):
        headers = browser.get(path, headers={"Origin": "https://shop.example"}).headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_the_worker_may_compile_and_send_and_nothing_else(browser):
    assert browser.get(WORKER).headers["Content-Security-Policy"] == assets.WORKER_POLICY
    assert "Content-Security-Policy" not in browser.get("/beknown.js").headers


def test_head_has_the_headers_and_no_body(browser):
    answer = browser.head(WORKER, headers={"Accept-Encoding": "identity"})
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.data == b""


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v/fedcba9876543210/micropython.js", "version_unknown"),
        ("/v/0123456789abcdef/other.js", "asset_unknown"),
        ("/v/0123456789abcdef/../../secret.txt", "asset_unknown"),
        ("/v/0123456789abcdef/..%2f..%2fsecret.txt", "asset_unknown"),
        ("/v/0123456789abcdef/micropython.js.br", "asset_unknown"),
    ],
)
def test_what_is_not_in_the_bundle_is_not_there_and_says_why(browser, path, code):
    answer = browser.get(path)
    assert answer.status_code == 404
    assert answer.json["code"] == code
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"not in the manifest" not in answer.data


def test_the_library_is_there_under_every_versions_address(browser, bundle, tmp_path):
    (bundle / assets.library_path()).write_bytes(wheel.wheel({"beknown/__init__.py": "x = 1\n"}))
    answer = browser.get("/beknown-9.10.11-py3-none-any.whl")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert browser.get(answer.request.path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    (tmp_path / "laid").mkdir()
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        archive.extractall(tmp_path / "laid")
    (info,) = importlib.metadata.distributions(path=[str(tmp_path / "laid")])
    assert info.version == "9.10.11"
    assert sorted(str(file) for file in info.files or []) == sorted(archive.namelist())
    assert "beknown/__init__.py" in archive.namelist()


@pytest.mark.parametrize("version", ["9", "1.2.3.4", "1.2.x", "../1.2.3", "1.2.12345"])
def test_what_is_no_version_is_no_address(browser, bundle, version):
    (bundle / assets.library_path()).write_bytes(wheel.wheel({}))
    assert browser.get(f"/beknown-{version}-py3-none-any.whl").status_code == 404


def test_a_server_without_a_bundle_says_how_to_make_one(browser, bundle):
    (bundle / "manifest.json").unlink()
    answer = browser.get("/beknown.js")
    assert answer.status_code == 503
    assert "make run" in answer.json["detail"]
