"""beknown: who did what on your site, told by Python in the visitor's browser.

In a page (PyScript, Pyodide, JupyterLite)::

    import beknown
    beknown.init("bk_...", api="https://t.example.com")
    beknown.capture("report_opened", {"rows": 120})

On a server, ``from beknown.backend import Client``.
"""

from .hosts.library import (
    alias,
    before_send,
    capture,
    captured,
    consent,
    create_person_profile,
    flush,
    get_device_id,
    get_distinct_id,
    get_session_id,
    group,
    identify,
    init,
    on,
    opt_in,
    opt_out,
    properties,
    ready,
    register,
    register_for_session,
    register_once,
    reset,
    reset_groups,
    set_person_properties,
    unregister,
    unset_person_properties,
)
from .wire import VERSION

__version__ = VERSION

__all__ = [
    "alias",
    "before_send",
    "capture",
    "captured",
    "consent",
    "create_person_profile",
    "flush",
    "get_device_id",
    "get_distinct_id",
    "get_session_id",
    "group",
    "identify",
    "init",
    "on",
    "opt_in",
    "opt_out",
    "properties",
    "ready",
    "register",
    "register_for_session",
    "register_once",
    "reset",
    "reset_groups",
    "set_person_properties",
    "unregister",
    "unset_person_properties",
]
