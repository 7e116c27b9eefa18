"""What a wheel holds besides Python: the dashboard's files, two libraries and a font of theirs, the bundle.

Rules:
- Named one by one: node_modules has hundreds of megabytes that nobody is served.
- An editable install needs none of it: the server then finds everything in the checkout.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# In the checkout, and in the package under the same names.
STATIC = (
    "static/dashboard",
    "static/demo",
    "static/node_modules/htmx.org/dist/htmx.min.js",
    "static/node_modules/uplot/dist/uPlot.iife.min.js",
    "static/node_modules/uplot/dist/uPlot.min.css",
    "static/node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
)
SERVED = {"build/bundle": "beknown_server/bundled", **{path: f"beknown_server/{path}" for path in STATIC}}


class Served(BuildHookInterface):  # type: ignore[type-arg]
    """Adds what is served, or says what has to be built first."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        missing = [path for path in SERVED if not (Path(self.root) / path).exists()]
        if missing:
            raise FileNotFoundError(
                f"not there yet: {', '.join(missing)}. Run `make build/bundle/manifest.json` first."
            )
        build_data["force_include"].update(SERVED)
