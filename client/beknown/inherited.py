"""The visitor as posthog-js left them: a site that moves keeps every visitor's id.

posthog-js keeps one JSON object per project key, in the cookie ``ph_<key>_posthog`` or in localStorage under the same
name: ``distinct_id``, ``$device_id``, ``$user_state`` (posthog-js §3.1). The host hands its text in as the fact
``posthog`` as long as nobody of ours has been seen here.

Rules:
- Pure. What is damaged, or holds an id that would glue strangers together, is as good as not there.
- Taken over once: from then on the visitor is in our own store, and that counts.
"""

import json

from . import wire
from .errors import BadId
from .identity import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def inherited(text: "Any", seed: str) -> "Identity | None":
    """Give the identity in posthog-js's text, or None; ``seed`` stands in for a device id that cannot be ours."""
    try:
        kept = json.loads(text)
        distinct_id = wire.checked_id(kept["distinct_id"])
    except (ValueError, KeyError, TypeError, BadId, RuntimeError):  # RuntimeError: nested too deeply for the parser
        return None
    identified = kept.get("$user_state") == "identified"
    device = kept.get("$device_id")
    if not isinstance(device, str) or not device or len(device) > wire.MAX_ID or "." in device or wire.is_junk(device):
        # Without one, an anonymous visitor's id is that of the device too, as on a first visit.
        device = seed if identified or "." in distinct_id else distinct_id
    return Identity(device, distinct_id, identified)
