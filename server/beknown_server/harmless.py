"""What unmodified PostHog SDKs ask for besides: answers that turn off what is not here, without noise.

Rules (posthog-server §1.1, "Non-ingestion routes"): no key is checked, nothing is stored, everything is off.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from .cors import mirrored

View = Callable[[], ResponseReturnValue]

MAX_READ = 1 << 20

bp = Blueprint("harmless", __name__)
bp.after_request(mirrored)

# Everything that posthog-js would otherwise load or start (posthog-js §2: remote config).
CONFIG = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocapture_opt_out": True,
    "autocaptureExceptions": False,
    "analytics": {"endpoint": "/e/"},
    "elementsChainAsString": True,
    "sessionRecording": False,
    "heatmaps": False,
    "surveys": False,
    "productTours": False,
    "logs": {"captureConsoleLogs": False},
    "conversations": False,
    "defaultIdentifiedOnly": True,
    "siteApps": [],
    "siteAppsJS": [],
    "isAuthenticated": False,
    "toolbarParams": {},
}


def _post(rule: str) -> Callable[[View], View]:
    def add(view: View) -> View:
        for one in (rule, rule + "/"):
            bp.add_url_rule(one, view.__name__ + one[len(rule) :], view, methods=["GET", "POST", "OPTIONS"])
        return view

    return add


@_post("/flags")
def flags() -> ResponseReturnValue:
    """Answer that there are no feature flags."""
    return jsonify(flags={}, errorsWhileComputingFlags=False, requestId=str(uuid.uuid4()), featureFlags={}, **CONFIG)


@_post("/decide")
def decide() -> ResponseReturnValue:
    """Answer that there are no feature flags, in the older form."""
    return jsonify(featureFlags={}, featureFlagPayloads={}, errorsWhileComputingFlags=False, config={}, **CONFIG)


@_post("/s")
def replay() -> ResponseReturnValue:
    """Take session replay and throw it away."""
    request.stream.read(MAX_READ)
    return jsonify(status=1)


@bp.get("/flags/definitions")
def definitions() -> ResponseReturnValue:
    """Answer a backend's local evaluation with no flags."""
    return jsonify(flags=[], group_type_mapping={}, cohorts={})


@bp.get("/array/<key>/config")
def config(key: str) -> ResponseReturnValue:
    """Answer with everything off."""
    return jsonify(token=key, **CONFIG)


@bp.get("/array/<key>/config.js")
def config_js(key: str) -> ResponseReturnValue:
    """Answer with no script at all: posthog-js then asks for the JSON."""
    return Response("", mimetype="text/javascript")


@bp.get("/api/surveys")
@bp.get("/api/surveys/")
def surveys() -> ResponseReturnValue:
    """Answer that there are no surveys."""
    return jsonify(surveys=[])
