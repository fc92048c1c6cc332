"""The kit for transports: ours and the examples pass it, and it names whatever is taken out of one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from wscore.testing.transport import OBLIGATIONS, unmet

from .transports import EXAMPLES, STARTS, on_anyio

SOURCE = (EXAMPLES / "anyio_transport.py").read_text()
METHODS = "    # The driver's primitives.\n"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    ours = logging.getLogger("wscore")
    level = ours.level
    ours.setLevel(logging.CRITICAL)
    yield
    ours.setLevel(level)


def method(source: str) -> tuple[str, str]:
    """Give what puts a method in the place of the driver's."""
    indented = "".join(f"    {line}\n" for line in source.splitlines())
    return METHODS, indented + "\n" + METHODS


def deaf(name: str) -> tuple[str, str]:
    """Give what makes a connection of which one method does nothing."""
    method = f"{{'{name}': lambda self, *_, **now: None}}"
    return "        core = ServerConnection(", f"        core = type('Deaf', (ServerConnection,), {method})("


WITHOUT: dict[str, tuple[str, str, str]] = {
    "handle_timeout": ("handle_timeout", "            self.timed_out()\n", "            pass\n"),
    "look after handle_timeout": (
        "look after handle_timeout",
        *method("def timed_out(self):\n    self._armed = None\n    self.core.handle_timeout(now=self.time())\n"),
    ),
    "a deadline later than the one before": (
        "look after handle_timeout",
        *method("def timed_out(self):\n    self.core.handle_timeout(now=self.time())\n    self.sync()\n"),
    ),
    "a deadline earlier than the one before": (
        "ABORT",
        "        self.patience.deadline = math.inf if at is None else at\n",
        "        if at is not None and self.patience.deadline == math.inf:\n            self.patience.deadline = at\n",
    ),
    "look after next_message": (
        "look after next_message",
        *method(
            "async def receive(self):\n"
            "    await lowlevel.checkpoint()\n"
            "    while (message := self.core.next_message(now=self.time())) is None:\n"
            "        self.core.check_receive()\n"
            "        await self.change.wait()\n"
            "    return message\n"
        ),
    ),
    "look before waiting": ("look before waiting", *method("def plan_flush(self):\n    self._flush_planned = True\n")),
    "check_receive": ("check_receive", *deaf("check_receive")),
    "check_delivery": ("check_delivery", *deaf("check_delivery")),
    "wants_read": (
        "wants_read",
        "                await self.until(lambda: self.core.wants_read)\n",
        "                await lowlevel.checkpoint()\n",
    ),
    "reading again": (
        "look after next_message",
        "                await self.until(lambda: self.core.wants_read)\n",
        "                if not self.core.wants_read:\n                    await anyio.sleep_forever()\n",
    ),
    "waiting for room": (
        "room",
        *method(
            "async def send(self, message):\n"
            "    await lowlevel.checkpoint()\n"
            "    self.core.send(message, now=self.time())\n"
            "    self.sync()\n"
        ),
    ),
    "wake_senders": (
        "room",
        "    wake_senders = set_reading = wake\n",
        "    set_reading = wake\n\n    def wake_senders(self): ...\n",
    ),
    "SHUT_DOWN_WRITING": ("SHUT_DOWN_WRITING", "        self.half_closes = True\n", ""),
    "SHUT_DOWN_WRITING is no close": (
        "SHUT_DOWN_WRITING is no close",
        "        self.half_closes = True\n        self.wake()\n",
        "        self.lost()\n",
    ),
    "ABORT": ("ABORT", "    close = abort = lost\n", "    close = lost\n\n    def abort(self): ...\n"),
    "application_returned": ("application_returned", *deaf("application_returned")),
    "receive_eof": (
        "receive_eof",
        "                    self.receive_eof()\n",
        "                    await anyio.sleep_forever()\n",
    ),
    "an end of stream told late": (
        "receive_eof",
        "                    self.receive_eof()\n",
        "                    with anyio.CancelScope(deadline=anyio.current_time() + 5):\n"
        "                        await anyio.sleep_forever()\n"
        "                    self.receive_eof()\n",
    ),
    "an end of stream told early": (
        "end behind messages",
        "                    self.receive_data(await self.stream.receive())\n",
        "                    data = await self.stream.receive()\n"
        "                    if data.endswith(b'\\x0f\\xa0'):\n"
        "                        self.receive_eof()\n"
        "                    self.receive_data(data)\n",
    ),
    "connection_lost": (
        "connection_lost",
        "                    self.lost(error)\n",
        "                    await anyio.sleep_forever()\n",
    ),
}


@pytest.mark.parametrize("transport", STARTS)
def test_a_transport_that_does_what_it_should_has_nothing_unmet(transport: str) -> None:
    """Ours, and every example of the documentation."""
    assert unmet(STARTS[transport]) == {}


QUICK = {"application_returned", "SHUT_DOWN_WRITING is no close", "an end of stream told early"}
"""The others wait for deadlines to pass, and are played three times slower before they count: some 5 s each."""


@pytest.mark.parametrize(
    "what", [what if what in QUICK else pytest.param(what, marks=pytest.mark.long) for what in WITHOUT]
)
def test_what_a_transport_does_not_do_is_named(what: str) -> None:
    """One thing taken out of a transport, and the kit says which; the ping that is only written late is told apart."""
    name, there, instead = WITHOUT[what]
    assert SOURCE.count(there) == 1
    found = unmet(partial(on_anyio, "asyncio", source=SOURCE.replace(there, instead)), [name])
    assert list(found) == [name]


def test_a_timeout_that_is_not_looked_after_is_told_apart_from_none() -> None:
    """What was to be written then comes with the next message."""
    _, there, instead = WITHOUT["look after handle_timeout"]
    found = unmet(partial(on_anyio, "asyncio", source=SOURCE.replace(there, instead)), ["handle_timeout"])
    assert found == {}


def test_every_obligation_was_taken_out() -> None:
    """So that none stands there in vain; a handshake's deadline is kept as any other."""
    assert {name for name, _, _ in WITHOUT.values()} == set(OBLIGATIONS) - {"handshake_timeout"}


def test_a_name_that_is_none_is_an_error() -> None:
    """As it would otherwise pass for something that holds."""
    with pytest.raises(KeyError):
        unmet(STARTS["blocking"], ["handle_timeouts"])
