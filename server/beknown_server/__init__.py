"""The beknown server."""
