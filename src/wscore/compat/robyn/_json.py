"""JSON as Robyn writes it."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["jsonify"]


def jsonify(value: Any) -> str:
    """Return `value` as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
