"""Who may send events: whoever names a project's write key, from a page that the project allows, not too fast.

Rules:
- A write key stands in public pages, so it admits and proves nothing. The list of origins keeps other sites' pages
  away (a browser says where a page is from); a program can claim any origin, or none, and is let in.
- Rates are counted in this process: with N workers, N times as much comes through. They are off unless set: behind a
  proxy that BEKNOWN_PROXIES does not tell of, all visitors have one address.
- 429 is final for posthog-js and waited out by other SDKs: what a limit refuses in a browser is lost there.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address
from math import ceil
from urllib.parse import urlsplit

from flask import request

from .errors import Forbidden, TooMany, Unauthorized
from .rate import Rate
from .site import Site, current_site, now_ms
from .store import Project

MAX_KEY = 64
NETWORK = 64  # bits: an IPv6 visitor has all addresses that begin with these


def not_too_fast() -> None:
    """Refuse an address that asks too often, before its body is read. For ``before_request``."""
    rate = current_site().addresses
    if rate.most and request.method != "OPTIONS":
        _check(rate, _network(request.remote_addr or ""), "an address", "--rate-per-address")


def project_of(site: Site, key: str | None) -> Project:
    """Give the project whose key was sent.

    Raises Unauthorized for none, a malformed or an unknown one, Forbidden for a page that may not use it, and TooMany.
    """
    _check_form(key)
    assert key is not None
    project = site.store.project_by_write_key(key, now=now_ms())
    if project is None:
        raise Unauthorized(
            "unknown_key",
            "no project has this key.",
            fix="Copy the write key (bk_...) from the settings page.",
            example=f"the key {key[:8]}… names no project",
        )
    try:
        _check_origin(project)
        if site.keys.most:
            _check(site.keys, key, "a key", "--rate-per-key")
    except (Forbidden, TooMany) as refusal:
        refusal.project_id = project.id
        raise
    return project


def _check_form(key: str | None) -> None:
    if not key:
        raise Unauthorized("missing_key", "the request names no project key.", fix="Pass it as api_key.")
    if key.startswith(("phx_", "bks_")):
        raise Unauthorized(
            "secret_key",
            "a secret key was sent as the project key.",
            fix="Rotate it, and pass the write key (bk_...).",
        )
    if len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise Unauthorized("malformed_key", "the project key is malformed.", fix="Copy it from the settings page.")


def _check_origin(project: Project) -> None:
    allowed = project.options.get("origins")
    if not allowed:
        return
    page = request.headers.get("Origin") or request.headers.get("Referer")
    if page and not is_allowed(page, allowed):
        raise Forbidden(
            "origin_not_allowed",
            f"pages of {_origin(page)} may not send to this project.",
            fix="If the site is yours, add it to the project's origins: `beknown project origins`.",
        )


def _origin(page: str) -> str:
    try:
        return "{0.scheme}://{0.netloc}".format(urlsplit(page))[:120]
    except ValueError:  # a bracket of IPv6 that is not closed
        return "an unreadable address"


def is_allowed(page: str, allowed: list[str]) -> bool:
    """Tell whether a page's address is of one of these: ``https://a.example:8080``, ``a.example``, ``*.a.example``."""
    try:
        parts = urlsplit(page)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    for one in allowed:
        wanted = one.lower().rstrip("/")
        if "://" in wanted:
            found = wanted == f"{parts.scheme}://{parts.netloc}".lower()
        else:
            found = host == wanted or (wanted.startswith("*.") and host.endswith(wanted[1:]))
        if found:
            return True
    return False


def _check(rate: Rate, who: str, whose: str, option: str) -> None:
    if wait := rate.wait_ms(who, now=now_ms()):
        raise TooMany(
            "too_many_requests",
            f"over {rate.most} requests a minute came with {whose}.",
            fix=f"Send events in batches, or let more through ({option}).",
            retry_after=ceil(wait / 1000),
        )


def _network(address: str) -> str:
    try:
        return str(int(IPv6Address(address.partition("%")[0])) >> (128 - NETWORK))
    except AddressValueError:
        return address
