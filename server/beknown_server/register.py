"""What the identity report asks of the store, for one project."""

from __future__ import annotations

from dataclasses import dataclass

from .store import Store


@dataclass(frozen=True, slots=True)
class Register:
    """A project's identities, as report.Register wants them."""

    store: Store
    project_id: int

    def identified(self) -> list[int]:
        """Give the numbers of the persons who are users."""
        return self.store.identified(self.project_id)

    def facts(self, start: int, stop: int) -> list[tuple[str, int, int, str, int]]:
        """Give what was said about ids in a time."""
        return self.store.facts(self.project_id, start, stop)

    def texts(self, keys: list[str]) -> list[tuple[int, str, str]]:
        """Give everyone's value of these properties."""
        return self.store.person_texts(self.project_id, keys)
