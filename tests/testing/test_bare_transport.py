"""The kit names each thing that a transport owes its core, taken out of one that does all of it by hand."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from wscore.testing.transport import unmet

from .transports import BARE, bare

pytestmark = pytest.mark.long  # each waits for deadlines to pass, and is played again before it counts


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    ours = logging.getLogger("wscore")
    level = ours.level
    ours.setLevel(logging.CRITICAL)
    yield
    ours.setLevel(level)


# What is taken out, and what stands there instead; by the obligation that is not met then.
BY_HAND: list[tuple[str, str, str]] = [
    (
        "handle_timeout",
        "        self.deadline = self.core.next_timeout()\n        closing",
        "        self.deadline = None\n        closing",
    ),
    (
        "look after handle_timeout",
        "            self.core.handle_timeout(now=monotonic())\n            self.look()\n",
        "            self.core.handle_timeout(now=monotonic())\n",
    ),
    ("look after next_message", "now=monotonic())\n            self.adjust()\n", "now=monotonic())\n"),
    ("look before waiting", "            self.write()\n            while", "            while"),
    ("check_receive", "            self.core.check_receive()\n", ""),
    ("check_delivery", "        self.core.check_delivery()\n", ""),
    ("wants_read", "        self.reads = self.core.wants_read\n", ""),
    ("room", "        return not self.gone and (", "        return False and ("),
    ("SHUT_DOWN_WRITING", "                self.sock.shutdown(socket.SHUT_WR)\n", "                pass\n"),
    (
        "SHUT_DOWN_WRITING is no close",
        "                self.sock.shutdown(socket.SHUT_WR)\n",
        "                self.lost()\n",
    ),
    ("ABORT", "        if closing is Closing.ABORT or (", "        if ("),
    ("application_returned", "            self.core.application_returned(now=monotonic())\n", "            pass\n"),
    (
        "receive_eof",
        "            self.core.receive_eof(now=monotonic())\n",
        "            threading.Event().wait()\n",
    ),
    (
        "end behind messages",
        "            self.core.receive_data(data, now=monotonic())\n",
        "            if data.endswith(b'\\x0f\\xa0'):\n"
        "                self.core.receive_eof(now=monotonic())\n"
        "            self.core.receive_data(data, now=monotonic())\n",
    ),
    ("connection_lost", "            self.lost(error)\n            return\n", "            threading.Event().wait()\n"),
]


@pytest.mark.parametrize(("name", "there", "instead"), BY_HAND)
def test_what_is_taken_out_is_named(name: str, there: str, instead: str) -> None:
    """And nothing else is."""
    assert BARE.count(there) == 1
    assert list(unmet(partial(bare, source=BARE.replace(there, instead)), [name])) == [name]


def test_nothing_is_unmet_where_nothing_was_taken_out() -> None:
    """By hand it can be done as well."""
    assert unmet(bare) == {}
