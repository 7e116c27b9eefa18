"""``python -m beknown_server`` is ``beknown``."""

from .cli import main

main()
