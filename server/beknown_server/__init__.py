"""The beknown server: ``create_app(settings)``, or ``mount(app, settings)`` into your own Flask application."""

from __future__ import annotations

from secrets import token_urlsafe

from flask import Blueprint, Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import (
    access,
    api,
    assets,
    cookieless,
    deferred,
    furniture,
    harmless,
    health,
    ingest,
    ingest_v1,
    insight_pages,
    insights_api,
    openapi,
    pages,
    parts,
    people_api,
    people_pages,
    pixel,
    project_api,
    settings_pages,
)
from . import demo as demo_site
from .columns import Columns
from .errors import Refusal
from .keys import first_project
from .metrics import Metrics
from .prefix import Prefix
from .rate import Rate
from .settings import Settings
from .site import EXTENSION, Site, answered, not_here, now_ms
from .store import Store, open_store

__all__ = ["Settings", "Site", "create_app", "mount"]

# Where there is a demo, ``/`` is its home page and the overview stays at ``/overview``.
ROOMS = (
    assets,
    ingest,
    ingest_v1,
    parts,
    harmless,
    health,
    deferred,
    pixel,
    furniture,
    demo_site,
    api,
    insights_api,
    openapi,
    pages,
    people_api,
    project_api,
    people_pages,
    insight_pages,
    settings_pages,
)


def create_app(settings: Settings, *, store: Store | None = None, demo: bool = False) -> Flask:
    """Give the whole application. The store is opened from the settings unless one is handed in."""
    app = Flask(__name__, static_folder=None)
    site = mount(app, settings, store=store, demo=demo)
    # Without its tables the application still answers: /healthz/ready says what is missing.
    ready = not site.store.pending_migrations()
    app.secret_key = site.store.site_secret() if ready else token_urlsafe()
    if ready:
        site.store.salt_of(cookieless.day_of(now_ms()))  # and so forgets an earlier day's
    app.session_interface = access.Sessions()
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_NAME="beknown",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url().startswith("https:"),
    )
    app.after_request(access.secured)
    for status in (404, 405):
        app.register_error_handler(status, not_here)
    if prefix := settings.prefix():
        app.wsgi_app = Prefix(app.wsgi_app, prefix)  # type: ignore[method-assign]
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    return app


def mount(
    app: Flask, settings: Settings, *, store: Store | None = None, url_prefix: str = "", demo: bool = False
) -> Site:
    """Add every route to an application of your own, under a prefix; give the site, whose store you close at the end.

    The dashboard's log-in needs your application's ``secret_key``.
    """
    store = store or open_store(settings.database)
    site = Site(
        settings,
        store,
        Metrics(),
        Columns(store, settings.columns_folder()),
        keys=Rate(settings.rate_per_key),
        addresses=Rate(settings.rate_per_address),
    )
    site.store.when_committed(site.metrics.committed)
    if settings.migrates():
        site.store.migrate()
        if settings.key:
            first_project(site.store, settings, now=now_ms())
    app.extensions[EXTENSION] = site
    app.register_error_handler(Refusal, answered)
    for room in ROOMS:
        bp: Blueprint = room.bp
        if room is not demo_site or demo:
            app.register_blueprint(bp, url_prefix=(url_prefix + (bp.url_prefix or "")) or None)
    return site
