"""Robyn's `QueryParams`."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["QueryParams"]


class QueryParams:
    """The decoded query parameters; a name may have several values."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for key, value in pairs:
            self.set(key, value)

    def set(self, key: str, value: str) -> None:
        """Add a value after those of the same name."""
        self._values.setdefault(key, []).append(value)

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the last value, or `default`."""
        return self._values[key][-1] if key in self._values else default

    def get_first(self, key: str) -> str | None:
        """Return the first value, or None."""
        return self._values[key][0] if key in self._values else None

    def get_all(self, key: str) -> list[str] | None:
        """Return all values, or None."""
        return list(self._values[key]) if key in self._values else None

    def contains(self, key: str) -> bool:
        """Return whether there is a value."""
        return key in self._values

    def extend(self, other: QueryParams) -> None:
        """Add the values of `other`."""
        for key, values in other._values.items():
            self._values.setdefault(key, []).extend(values)

    def empty(self) -> bool:
        """Return whether there are no parameters."""
        return not self._values

    def to_dict(self) -> dict[str, list[str]]:
        """Return all values of all names."""
        return {key: list(values) for key, values in self._values.items()}

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self._values)

    def values(self) -> list[list[str]]:
        """Return the values of each name."""
        return list(self.to_dict().values())
