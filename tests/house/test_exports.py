"""What the packages offer is what they say they offer."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("package", ["beknown", "beknown_server", "beknown_server.store"])
def test_every_public_name_is_there_once(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(module, name), f"{package}.__all__ names {name}, which is not there"


def test_importing_the_client_needs_no_server_and_no_browser() -> None:
    import beknown

    assert beknown.__doc__


def test_python_in_the_page_has_every_call_of_the_core_under_the_tags_names() -> None:
    import beknown
    from beknown.calls import CALLS

    of_the_page_itself = {"pageclick", "pageleave", "pagelink", "pageview"}
    answers = {"flush", "get_device_id", "get_distinct_id", "get_session_id", "ready"}
    answers |= {"before_send", "consent", "on", "opt_in", "opt_out"}
    pythons_own = {"captured", "init", "properties"}
    posthog_js = {"set", "set_once"}  # its people.set(): for pages that move
    assert set(beknown.__all__) == (set(CALLS) - of_the_page_itself - posthog_js) | answers | pythons_own
    assert all(getattr(beknown, name).__doc__ for name in beknown.__all__)
