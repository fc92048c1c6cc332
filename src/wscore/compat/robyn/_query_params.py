"""Robyn's `QueryParams`."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["QueryParams"]


class QueryParams:
    """The query's parameters, decoded; a name may have several values. `get` gives the last."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for key, value in pairs:
            self.set(key, value)

    def set(self, key: str, value: str) -> None:
        """Add a value, behind those of the same name."""
        self._values.setdefault(key, []).append(value)

    def get(self, key: str, default: str | None = None) -> str | None:
        """Give the last value."""
        return self._values[key][-1] if key in self._values else default

    def get_first(self, key: str) -> str | None:
        """Give the first value."""
        return self._values[key][0] if key in self._values else None

    def get_all(self, key: str) -> list[str] | None:
        """Give all values."""
        return list(self._values[key]) if key in self._values else None

    def contains(self, key: str) -> bool:
        """Tell whether there is a value."""
        return key in self._values

    def extend(self, other: QueryParams) -> None:
        """Add the values of `other`."""
        for key, values in other._values.items():
            self._values.setdefault(key, []).extend(values)

    def empty(self) -> bool:
        """Tell whether there are no parameters."""
        return not self._values

    def to_dict(self) -> dict[str, list[str]]:
        """Give all values of all names."""
        return {key: list(values) for key, values in self._values.items()}

    def keys(self) -> list[str]:
        """Give the names."""
        return list(self._values)

    def values(self) -> list[list[str]]:
        """Give the values of each name."""
        return list(self.to_dict().values())
