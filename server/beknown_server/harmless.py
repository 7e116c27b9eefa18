"""What unmodified PostHog SDKs ask for besides: answers that turn off what is not here, without noise.

    flags, decide, remote config, surveys, tours     nothing is on, so that no SDK fetches more or waits
    replay, logs, metrics, traces                    taken and thrown away: a refusal would be sent again or logged
    a flag's remote configuration                    404, as upstream for a flag that does not exist
    posthog-js and its parts                         404, with what to do: they are not ours to serve

Rules (posthog-server §1.1): no key is checked, nothing is stored. What the page's author chose for posthog-js itself
(autocapture) is left as it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import orjson
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from .cors import mirrored
from .errors import NotFound

View = Callable[..., ResponseReturnValue]

MAX_READ = 1 << 20
SECONDS = 300  # browsers keep the remote configuration this long

bp = Blueprint("harmless", __name__)
bp.after_request(mirrored)

# Everything that posthog-js would otherwise load or start (posthog-js §2: remote config). Two things are left unsaid:
# told that there are no "surveys", posthog-js 1.449 still loads its script for them, which is not here; told that
# there are no flags ("hasFeatureFlags"), it never calls back a page that waits for them.
CONFIG = {
    "supportedCompression": ["gzip", "gzip-js"],
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocapture_opt_out": False,
    "autocaptureExceptions": False,
    "analytics": {"endpoint": "/e/"},
    "elementsChainAsString": True,
    "sessionRecording": False,
    "heatmaps": False,
    "productTours": False,
    "logs": {"captureConsoleLogs": False},
    "conversations": False,
    "defaultIdentifiedOnly": True,
    "siteApps": [],
    "siteAppsJS": [],
    "isAuthenticated": False,
    "toolbarParams": {},
}


NOTHING: dict[str, Any] = {
    "/api/surveys": {"surveys": []},
    "/api/product_tours": {"product_tours": []},
    "/api/early_access_features": {"earlyAccessFeatures": []},
    "/api/web_experiments": {"experiments": []},
}
DEFINITIONS: dict[str, Any] = {"flags": [], "group_type_mapping": {}, "cohorts": {}}


def _at(*rules: str, methods: tuple[str, ...] = ("GET", "POST", "OPTIONS")) -> Callable[[View], View]:
    """Serve a view at these addresses, each with and without a slash at its end."""

    def add(view: View) -> View:
        for rule in rules:
            for one in (rule, rule + "/"):
                bp.add_url_rule(one, one.replace("/", "_").replace(".", "_"), view, methods=list(methods))
        return view

    return add


@_at("/flags")
def flags() -> ResponseReturnValue:
    """Answer that there are no feature flags."""
    return jsonify(flags={}, errorsWhileComputingFlags=False, requestId=str(uuid.uuid4()), featureFlags={}, **CONFIG)


@_at("/decide")
def decide() -> ResponseReturnValue:
    """Answer that there are no feature flags, in the older form."""
    return jsonify(featureFlags={}, featureFlagPayloads={}, errorsWhileComputingFlags=False, config={}, **CONFIG)


@_at("/s")
def replay() -> ResponseReturnValue:
    """Take session replay and throw it away."""
    request.stream.read(MAX_READ)
    return jsonify(status=1)


@_at("/test/black_hole")
def black_hole() -> ResponseReturnValue:
    """Swallow anything: where a smoke test sends to."""
    request.stream.read(MAX_READ)
    return jsonify(status=1)


@_at("/i/v1/logs", "/i/v1/metrics", "/i/v1/traces", "/i/v0/ai/otel", methods=("POST", "OPTIONS"))
def telemetry() -> ResponseReturnValue:
    """Take OpenTelemetry and throw it away: an empty answer says in JSON and in protobuf that all is well."""
    request.stream.read(MAX_READ)
    kind = request.mimetype if request.mimetype == "application/x-protobuf" else "application/json"
    return Response(b"" if kind.endswith("protobuf") else b"{}", mimetype=kind)


@_at("/flags/definitions", "/api/feature_flag/local_evaluation", methods=("GET", "OPTIONS"))
def definitions() -> ResponseReturnValue:
    """Answer a backend's local evaluation with no flags; 304 if it has them already."""
    response = jsonify(DEFINITIONS)
    response.add_etag()
    return response.make_conditional(request)


@_at("/array/<key>/config", methods=("GET", "OPTIONS"))
def config(key: str) -> ResponseReturnValue:
    """Answer with everything off."""
    return _kept(jsonify(token=key, **CONFIG))


@_at("/array/<key>/config.js", methods=("GET", "OPTIONS"))
def config_js(key: str) -> ResponseReturnValue:
    """Answer with everything off, as the script that posthog-js loads before it asks for the JSON."""
    told = {key: {"config": {"token": key, **CONFIG}, "siteApps": []}}
    text = orjson.dumps(told).replace(b"<", b"\\u003c")  # whatever the address says, it stays a text
    script = b"window._POSTHOG_REMOTE_CONFIG = Object.assign(window._POSTHOG_REMOTE_CONFIG || {}, " + text + b");"
    return _kept(Response(script, mimetype="text/javascript"))


def _kept(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={SECONDS}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@_at(*NOTHING, methods=("GET", "OPTIONS"))
def nothing() -> ResponseReturnValue:
    """Answer that there are no surveys, tours, early features or experiments."""
    return jsonify(NOTHING[request.path[request.path.index("/api/") :].rstrip("/")])


@_at("/api/projects/<project>/feature_flags/<flag>/remote_config", methods=("GET", "OPTIONS"))
def remote_config(project: str, flag: str) -> ResponseReturnValue:
    """Answer that this flag does not exist."""
    raise NotFound(
        "no_such_flag",
        f"there are no feature flags here, so none called {flag[:80]!r}.",
        fix="Take the flag's default in your code.",
    )


@_at("/static/<path:name>", methods=("GET", "OPTIONS"))
def script(name: str) -> ResponseReturnValue:
    """Answer whoever pasted PostHog's snippet, which loads posthog-js from here, what to do."""
    raise NotFound(
        "no_such_script",
        "posthog-js is not served here.",
        fix="Load its dist/array.js from your own site (docs/posthog.md), or paste beknown's tag instead.",
    )


@_at("/_readiness", "/_liveness", methods=("GET",))
def probe() -> ResponseReturnValue:
    """Answer upstream's probes as upstream does; /healthz/ready asks the store as well."""
    return Response("capture", mimetype="text/plain")
