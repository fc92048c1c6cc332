"""Query parameters: decoded once, every pair kept, in the client's order."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl, urlencode

__all__ = ["QueryParams"]


class QueryParams(Mapping[str, str]):
    """An immutable multidict of decoded query parameters.

    `params[name]` is the last value of that name; `getlist(name)` returns all, `multi_items()` every pair. Parameters
    without a value are kept as "". `str()` encodes the query again.

    Args:
        query: A query string (`str`, or the `bytes` of a scope), pairs, or a mapping.
        **params: More parameters, appended.
    """

    def __init__(self, query: str | bytes | Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), **params: Any) -> None:
        if isinstance(query, bytes):
            query = query.decode("latin-1")
        if isinstance(query, str):
            pairs: Any = parse_qsl(query, keep_blank_values=True)
        else:
            items = getattr(query, "multi_items", None) or getattr(query, "items", None)
            pairs = query if items is None else items()
        self._list = [(str(name), str(value)) for name, value in (*pairs, *params.items())]
        self._dict = dict(self._list)

    def getlist(self, key: str) -> list[str]:
        """Return every value of this name, in order."""
        return [value for name, value in self._list if name == key]

    def multi_items(self) -> list[tuple[str, str]]:
        """Return every pair, in order."""
        return list(self._list)

    # From the dict: the mixins would look up every key again.
    def keys(self) -> KeysView[str]:
        """Return each name once."""
        return self._dict.keys()

    def values(self) -> ValuesView[str]:
        """Return the last value of each name."""
        return self._dict.values()

    def items(self) -> ItemsView[str, str]:
        """Return each name with its last value."""
        return self._dict.items()

    def __getitem__(self, key: str) -> str:
        return self._dict[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QueryParams):
            return NotImplemented
        # The order of names is irrelevant; that of one name's values is not.
        return sorted(self._list, key=itemgetter(0)) == sorted(other._list, key=itemgetter(0))

    def __hash__(self) -> int:
        return hash(frozenset(self._list))

    def __str__(self) -> str:
        return urlencode(self._list)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"
