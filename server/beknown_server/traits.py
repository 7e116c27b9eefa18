"""What an event says of the person behind it: its $set, $set_once and $unset, and what is read off the event itself.

Rules (posthog-server §1.5, §2.7, §2.8):
- Pure. $set and $set_once stand at the top of an event or among its properties; the top wins, key by key.
- What was asked for is left in the event's properties as it will be stored; what is read off is not: whoever takes
  the stored event again reads the same off it.
- Upstream writes volatile keys (address, window) only along with others, to save work; what is written there depends
  on what came before. Here each event says the same whenever it arrives.
- A server is not the person's device: its system and its place are not theirs, and its address is no first touch.
  The campaign, the referrer and what else it passes on are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from beknown.wire import MAX_NAME

from .bags import clean, plain_bag, shown

MAX_SET = 512 << 10  # bytes that one event may write on a person (posthog-server §1.8, there for the whole person)
WRITE_NOTHING = ("$exception", "$$heatmap", "$groupidentify", "$feature_flag_called")  # not about the person
# The libraries of servers that do not all say $is_server; posthog-server is the newer one for Java, edge is node's.
SERVERS = (
    "posthog-python posthog-node posthog-edge posthog-go posthog-ruby posthog-php posthog-java posthog-server "
    "posthog-dotnet posthog-elixir posthog-rs"
).split()
OF_THE_SERVER = ("$os", "$geoip_", "$initial_os", "$initial_geoip_")
ADDRESS = ("$current_url", "$pathname")  # on a server, of what was asked of it
LEAKED = ("$context_tags", "$session_id")  # posthog-python writes its context into $set

# Read off every event of somebody: now as it is named here, and the first one ever as $initial_<name>.
READ_OFF = (
    "$app_build $app_name $app_namespace $app_version $browser $browser_version $device_type $current_url $pathname "
    "$os $os_version $referring_domain $referrer $screen_height $screen_width $viewport_height $viewport_width "
    "$raw_user_agent utm_source utm_medium utm_campaign utm_content utm_name utm_term gclid gad_source gclsrc dclid "
    "gbraid wbraid fbclid msclkid twclid li_fat_id mc_cid igshid ttclid rdt_cid irclid _kx epik qclid sccid"
).split()

Bag = dict[str, Any]
Complain = Callable[[str, str], None]  # takes a code of intake.FIXES and an example


def traits(raw: Bag, properties: Bag, name: str, complain: Complain) -> tuple[Bag, Bag, list[str]]:
    """Give $set, $set_once and $unset of an event; ``properties`` keep what was asked for, as it will be stored."""
    profile = properties.get("$process_person_profile", True)
    if not isinstance(profile, bool):
        complain("invalid_process_person_profile", shown(profile))
    from_server = properties.get("$is_server") is True or properties.get("$lib") in SERVERS
    set_ = _bag(raw, properties, "$set", from_server, complain)
    once = _bag(raw, properties, "$set_once", from_server, complain)
    unset = properties.pop("$unset", None) or raw.get("$unset")
    unset = unset if isinstance(unset, (list, dict)) else []
    names = [clean(str(one))[:MAX_NAME] for one in unset if isinstance(one, (str, int, float))]
    if profile is False or name in WRITE_NOTHING:
        return {}, {}, []
    if (set_ or once) and len(orjson.dumps([set_, once])) > MAX_SET:
        complain("set_too_large", shown(", ".join([*set_, *once])))
        return {}, {}, names
    properties.update({key: bag for key, bag in (("$set", set_), ("$set_once", once), ("$unset", names)) if bag})
    found = _read_off(properties, from_server)
    first_touch = {key: value for key, value in found.items() if not (from_server and key in ADDRESS)}
    first = {"$initial_" + key.lstrip("$"): value for key, value in first_touch.items()}
    return {**found, **set_}, {**first, **once}, names


def _bag(raw: Bag, properties: Bag, which: str, from_server: bool, complain: Complain) -> Bag:
    inner, top = properties.pop(which, None), raw.get(which)
    if not inner and not top:
        return {}
    found = dict(inner) if isinstance(inner, dict) else {}
    if isinstance(top, dict):
        kept, dropped = plain_bag(top, which)
        for text in dropped:
            complain("property_dropped", text)
        found.update(kept)
    unwanted = (*LEAKED, *(key for key in found if from_server and key.startswith(OF_THE_SERVER)))
    return {clean(key)[:MAX_NAME]: value for key, value in found.items() if key not in unwanted}


def _read_off(properties: Bag, from_server: bool) -> Bag:
    found = {key: properties[key] for key in READ_OFF if properties.get(key) is not None}
    if "$os" not in found and properties.get("$os_name") is not None:
        found["$os"] = properties["$os_name"]
    return {key: value for key, value in found.items() if not (from_server and key.startswith(OF_THE_SERVER))}
