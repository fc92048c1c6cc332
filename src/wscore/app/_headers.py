"""Header fields as an application reads them: names case-insensitive, duplicates kept, latin-1.

They are a list of pairs first and a mapping second; nothing here joins, splits or reorders fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

__all__ = ["Headers", "MutableHeaders", "encode_headers"]

HeaderItems = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Headers as an application may pass them: a mapping, or pairs of str or bytes."""


class Headers(Mapping[str, str]):
    """An immutable multidict of header fields, case-insensitive.

    `headers[name]` is the first value of that name, `getlist(name)` all of them; `keys()`, `values()`, `items()`,
    iteration and `len()` cover every field, duplicates included.

    Args:
        headers: A mapping; names are lowercased.
        raw: Pairs of bytes, kept as they are.
        scope: An ASGI scope, whose headers are used.

    Raises:
        TypeError: More than one source is given.
    """

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        raw: Iterable[tuple[bytes, bytes]] | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        if sum(source is not None for source in (headers, raw, scope)) > 1:
            raise TypeError("Headers are made from a mapping, from raw pairs or from a scope, not from two of them")
        if headers is not None:
            raw = encode_headers(headers)
        elif scope is not None:
            raw = scope["headers"]  # ASGI: any iterable
        self._list = list(raw or ())

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """A copy of the fields, as pairs of bytes."""
        return list(self._list)

    def keys(self) -> list[str]:  # type: ignore[override]  # a list, as in Starlette: views hold no duplicates
        """Return the name of every field."""
        return [name.decode("latin-1") for name, _ in self._list]

    def values(self) -> list[str]:  # type: ignore[override]
        """Return the value of every field."""
        return [value.decode("latin-1") for _, value in self._list]

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        """Return the name and value of every field."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._list]

    def getlist(self, key: str) -> list[str]:
        """Return every value of this name, in order."""
        return [self._list[index][1].decode("latin-1") for index in self._places(key)]

    def mutablecopy(self) -> MutableHeaders:
        """Return a mutable copy."""
        return MutableHeaders(raw=self._list)

    def _places(self, key: object) -> list[int]:
        if not isinstance(key, str):
            return []
        name = key.lower()
        return [index for index, pair in enumerate(self._list) if pair[0].decode("latin-1").lower() == name]

    def __getitem__(self, key: str) -> str:
        for index in self._places(key):
            return self._list[index][1].decode("latin-1")
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return bool(self._places(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._list)

    def __eq__(self, other: object) -> bool:
        return sorted(self._list) == sorted(other._list) if isinstance(other, Headers) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equality ignores the order, and MutableHeaders change

    def __repr__(self) -> str:
        items = self.items()
        shown = f"raw={self._list!r}" if len(dict(items)) < len(items) else repr(dict(items))
        return f"{type(self).__name__}({shown})"


class MutableHeaders(Headers):
    """Mutable headers. Assignment leaves a single field of that name; `append` adds another."""

    def __setitem__(self, key: str, value: str) -> None:
        field = (key.lower().encode("latin-1"), value.encode("latin-1"))
        places = self._places(key)
        for index in reversed(places[1:]):
            del self._list[index]
        if places:
            self._list[places[0]] = field
        else:
            self._list.append(field)

    def __delitem__(self, key: str) -> None:
        for index in reversed(self._places(key)):
            del self._list[index]

    def append(self, key: str, value: str) -> None:
        """Add a field, keeping others of the same name."""
        self._list.append((key.lower().encode("latin-1"), value.encode("latin-1")))

    def setdefault(self, key: str, value: str) -> str:
        """Return the value of `key`, which is set to `value` first if missing."""
        if key not in self:
            self.append(key, value)
        return self[key]

    def update(self, other: Mapping[str, str]) -> None:
        """Set every field of `other`."""
        for key, value in other.items():
            self[key] = value


def encode_headers(headers: HeaderItems) -> list[tuple[bytes, bytes]]:
    """Return the pairs of bytes for an ASGI message; names given as str are lowercased, as ASGI requires."""
    pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    return [
        (
            name.lower().encode("latin-1") if isinstance(name, str) else name,
            value.encode("latin-1") if isinstance(value, str) else value,
        )
        for name, value in pairs
    ]
