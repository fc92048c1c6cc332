"""What must hold in a simulated conversation: after each event, when a host was lost, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from wscore import State
from wscore.testing.network import Event

if TYPE_CHECKING:
    from wscore.testing.network import Connection

    from ._conversation import Play

__all__ = ["Finding", "Invariants"]

_OPEN: Final = State.OPEN
_CLOSED: Final = State.CLOSED
_LINGERING: Final = State.LINGERING
_OWED: Final = frozenset({State.AWAITING_REQUEST, State.AWAITING_RESPONSE, State.CLOSE_SENT, State.LINGERING})
"""States that time must end, whatever the configuration."""


class Finding(AssertionError):
    """What does not hold."""


class Invariants:
    """Looks at a play, and raises Finding. `lost` are the sides whose host has vanished."""

    def __init__(self, play: Play, log: list[Event] | None) -> None:
        self.lost: dict[str, float] = {}
        self.client_closes: int | None = None
        """The code with which the client has closed."""
        self.app_closes: int | None = None
        self._play = play
        self._connection: Connection = play.connection
        self._log = log
        self._found: Finding | None = None
        plan, server, client = play.plan, self._connection.server.core.config, self._connection.client.core.config
        sizes = [step[1] if step[0] == "sends" else sum(step[1]) for step in plan.steps if step[0].startswith("sends")]
        largest = 2 * max([*sizes, 6_000]) + 100
        self._held = {"server": 3 * server.max_output_size, "client": 3 * client.max_output_size}
        for side in self._held:
            self._held[side] += 2 * largest + 4_096
        self._queued = {"server": server.max_queue_size + largest, "client": client.max_queue_size + largest}
        late = 4 * plan.slack + 4 * sum(plan.link.get(name, 0.0) for name in ("latency", "jitter"))
        self.patience = 6.0 + server.close_timeout + client.close_timeout + late + (server.accept_timeout or 0.0)
        """Seconds in which all is over once the server stops and the client closes."""
        self._late = late

    def note(self, text: str) -> None:
        """Write into the log, if there is one."""
        if self._log is not None:
            self._log.append(Event(self._play.network.time(), "", text, b""))

    def hear_of_fault(self, name: str, arguments: list[Any]) -> None:
        """Remember which hosts vanish."""
        if name == "vanish":
            self.lost.setdefault(arguments[0], self._play.network.time())

    # -- after each event

    def check(self) -> None:
        """See that everything holds now."""
        if self._found is not None:
            raise self._found  # raised before within an application, whose failures end its connection alone
        connection, lost = self._connection, self.lost
        if "server" not in lost:
            self._check_end("server", connection.server)
        if "client" not in lost:
            self._check_end("client", connection.client)
        ours, theirs = connection.server.core.stats, connection.client.core.stats
        if "server" not in lost and connection.server.core.state is _OPEN:
            self._check_queue("server", connection.server, self._play.to_server, self._play.server_took)
        if "client" not in lost and connection.client.core.state is _OPEN:
            self._check_queue("client", connection.client, self._play.to_client, self._play.client_took)
        if ours.messages_received > theirs.messages_sent or theirs.messages_received > ours.messages_sent:
            self._fail(f"more messages were received than sent: {ours}, {theirs}")

    def _check_end(self, side: str, end: Any) -> None:
        core = end.core
        if end.gone:
            if end.deadline is not None:
                self._fail(f"{side}: a deadline is armed for a closed socket: {end.deadline}")
            if core.output_size:
                self._fail(f"{side}: {core.output_size} bytes of output for a closed socket")
        else:
            due, armed, socket = core.next_timeout(), end.deadline, end.socket
            if due is not None:
                if armed is None or armed > due:
                    self._fail(f"{side}: the core's deadline is {due}, and armed is {armed}")
            elif (state := core.state) in _OWED:
                self._fail(f"{side}: no deadline while {state.name}")
            elif state is _OPEN and core.config.ping_interval is not None and core.config.ping_timeout is not None:
                self._fail(f"{side}: an open connection without a deadline")
            if core.state is _LINGERING and (info := core.close_info).received is not None and info.sent is None:
                self._fail(f"{side}: a close frame was not answered: {info}")
            if core.wants_read is not socket.reading and not socket.end_read:
                self._fail(f"{side}: wants_read is {core.wants_read}, reading is {socket.reading}")
            if core.output_size + len(socket.outgoing.waiting) > self._held[side]:
                self._fail(f"{side}: {core.output_size} + {len(socket.outgoing.waiting)} bytes of output are held")
        if core.has_message and end.messages.waited:
            self._fail(f"{side}: there is a message, and who waits for one was not woken")
        if end.writable and end.room.waited:
            self._fail(f"{side}: there is room, and who waits for it was not woken")

    def _check_queue(self, side: str, end: Any, taken: int, bytes_taken: int) -> None:
        core = end.core
        count, size = core.stats.messages_received - taken, core.stats.bytes_received - bytes_taken
        if not count:
            return
        if count > core.config.max_queue or size > self._queued[side]:
            self._fail(f"{side}: {count} messages of {size} bytes are queued")
        if count == core.config.max_queue and core.wants_read:
            self._fail(f"{side}: {count} messages are queued, and more are read")

    # -- what an application sees

    def check_order(self, side: str, sent: list[str | bytes], index: int, message: str | bytes) -> None:
        """See that a message is the next of those that were sent."""
        if index >= len(sent):
            self._fail(f"{side}: message {index} was received, and never sent: {message[:20]!r}")
        if sent[index] != message:
            self._fail(f"{side}: message {index} is {message[:20]!r}, and what was sent is {sent[index][:20]!r}")

    def check_disconnect(self, message: dict[str, Any]) -> None:
        """See that the application's last message says how the connection has ended."""
        info = self._connection.server.core.close_info
        if self._play.disconnect is not None:
            self._fail("server: a second disconnect")
        if info is None or (message["code"], message["reason"]) != (info.code, info.reason):
            self._fail(f"server: {message}, and the connection has ended with {info}")

    # -- in the long run

    def check_loss_was_noticed(self) -> None:
        """See that whoever is left has noticed that the other host has vanished, where pings are sent."""
        if len(self.lost) == 2 or self._play.plan.app == "denies":  # whose parts may take their time each
            return
        for side, at in self.lost.items():
            end: Any = self._connection.client if side == "server" else self._connection.server
            config = end.core.config
            if config.ping_interval is None or config.ping_timeout is None or config.accept_timeout is None:
                continue
            bound = config.handshake_timeout + config.accept_timeout + config.ping_interval + 2 * config.ping_timeout
            bound += config.close_timeout + 1.0 + self._late
            bound += len(self._play.plan.steps) * self._play.plan.app_pause  # each message taken gives a pong more time
            if not end.gone and self._play.network.time() > at + bound:
                self._fail(f"the {side}'s host has vanished at {at}, and the other end is still {end.core!r}")

    def check_end(self) -> None:
        """See that all is over, and how."""
        self.check()
        play, connection = self._play, self._connection
        if not play.over:
            waits = [task.where for task in play.client_tasks if not task.done]
            task = connection.server.task
            waits += [] if task is None or task.done else [task.where]
            self._fail(f"not over: {connection.server.core!r}, {connection.client.core!r}; {waits}")
        server, client = connection.server.core, connection.client.core
        for side, core, other in (("server", server, client), ("client", client, server)):
            info, others = core.close_info, other.close_info
            if side in self.lost:
                continue
            if info is None or core.state is not _CLOSED:
                self._fail(f"{side}: over, and {core!r} with {info}")
            if info.received is not None and (others is None or info.received != others.sent):
                self._fail(f"{side}: received {info.received}, and the other end has sent {others}")
            if info.cause == "violation" and info.code != 1009:
                self._fail(f"{side}: the other end, which is ours, is said to have broken the protocol: {info}")
            if info.cause == "peer" and info.received is not None and info.code != (info.received.code or 1005):
                self._fail(f"{side}: {info}")
            # A client that is refused because the server stops gets a 503, and the application the code of the stop.
            if core.stats.bytes_received > other.stats.bytes_sent:
                self._fail(f"{side}: more bytes were received than sent: {core.stats}, {other.stats}")
            if info.received is None and info.sent is None and info.code != 1006 and info.cause != "operator":
                self._fail(f"{side}: a code without a close frame: {info}")
        self._check_delivered()
        if "server" not in self.lost:
            self._check_logs()

    def _check_delivered(self) -> None:
        """Whoever was told of the other's close frame was given all messages before it."""
        play, connection = self._play, self._connection
        for side, core, told, got, sent in (
            ("server", connection.server.core, play.disconnect is not None, play.to_server, play.from_client),
            ("client", connection.client.core, play.client_read_all, play.to_client, play.from_server),
        ):
            info = core.close_info
            if told and info is not None and info.cause == "peer" and info.received is not None and got != len(sent):
                self._fail(f"{side}: {got} of {len(sent)} messages before a close were received")

    def _check_logs(self) -> None:
        server = self._connection.server
        events = [record.event for record in server.access]
        if events not in (["accepted", "closed"], ["refused"], ["closed"], ["unused"]):
            self._fail(f"server: the access log has {events}")
        planned = "ApplicationError" if self._play.plan.app == "fails" else None
        for text, error in server.failures:
            if error is not None and type(error).__name__ != planned:
                self._fail(f"server: logged {text}: {error!r}")

    def _fail(self, text: str) -> NoReturn:
        self._found = self._found or Finding(text)
        self.note(f"finding: {text}")
        raise self._found
