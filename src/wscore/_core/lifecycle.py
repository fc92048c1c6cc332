"""The life of one connection, as a table.

Rule of this file: it knows no bytes, no ASGI messages, no clock and no close codes. It maps what happened to what
follows. If you need one of those here, the trigger is too coarse: split it.

Theory of operation
-------------------
There is one state machine per connection. It is fed *triggers*, one at a time. Each has one of six sources, named by
the prefix of its label: `peer:` data from the network, `app:` a message sent by the application, `task:` the end of the
application, `time:` an expired timer, `operator:` whoever runs the server, `transport:` the socket. A trigger in a
state gives a *step*: the next state, and *effects* that `ServerConnection` performs in the order listed. What a trigger
carries (a close code, a request, a body) is passed alongside it; the table never looks at it.

A missing cell has one meaning per source:

- `app:` the application made a mistake and gets an error; nothing changes.
- anything else: nothing happens. This makes a late timer, a second end of stream or a second shutdown harmless.

The table's interpreter is `Endpoint._process`: it looks up the step, changes the state, starts and stops the timers as
ARMED says, and then performs the effects in order.

A connection goes through AWAITING_REQUEST and AWAITING_ACCEPT (the application was started and has not answered the
handshake) to OPEN, or to RESPONSE_PENDING if the application answers with an HTTP response. Two states end it:

- CLOSE_SENT: our close frame is out, the peer's is awaited. The peer's messages are discarded.
- LINGERING: we have queued our last byte. What remains is to flush it, to shut down our half of the TCP connection, and
  to read and discard until the peer ends its half: an operating system that closes a socket with unread input resets
  the connection, and the reset overtakes our last bytes (T15).

A state stands for what may still happen. RESPONSE_STREAMING is therefore separate: once the response's head is on the
wire, a 500 can no longer be sent for a failing application.

Not in the table: messages, pings and pongs while OPEN. They change no state, and they are the fast path; `lane` says
which messages do not even come by here.

A peer's close, violation or end of stream waits behind the messages that came before it (F32). This needs no state
either: the trigger is fed when the application has taken those messages, or when TIME_DEFERRED fires.

A *timer* runs only in the states for which ARMED lists it. Entering a state starts its timers, except those in LATER,
which start with the event they depend on. Leaving for a state without them stops them; timers common to both states
keep running. So no timer outlives its state, and closing is bounded as a whole, however many states it passes through.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

__all__ = [
    "ARMED",
    "AWAITING_ACCEPT",
    "AWAITING_REQUEST",
    "CLIENT_TRANSITIONS",
    "CLOSED",
    "CLOSE_SENT",
    "LATER",
    "LINGERING",
    "OPEN",
    "SERVER_TRANSITIONS",
    "Effect",
    "State",
    "Step",
    "Timer",
    "Trigger",
]


class _Name(Enum):
    """Base of this file's enums, hashed by identity: members are keys of every table, and Enum's own `__hash__`, of
    the member's name, is Python code.
    """

    __hash__ = object.__hash__


class State(_Name):
    """The state of a connection."""

    AWAITING_REQUEST = "the request head is being read"
    AWAITING_RESPONSE = "our request is out, the response head is awaited"
    READING_REFUSAL = "the handshake was refused, the response's body is being read"
    AWAITING_ACCEPT = "the application was started and has not answered the handshake"
    RESPONSE_PENDING = "the application has begun an HTTP response; nothing of it is written"
    RESPONSE_STREAMING = "the response's head is written, its body is being streamed"
    OPEN = "messages flow"
    CLOSE_SENT = "our close frame is out, the peer's is awaited"
    LINGERING = "our last byte is out, the end of the peer's stream is awaited"
    CLOSED = "over"


# What is asked for every message has a name of its own: looking a member up in its class takes Python 3.11 as long as
# unmasking a word.
AWAITING_REQUEST: Final = State.AWAITING_REQUEST
AWAITING_ACCEPT: Final = State.AWAITING_ACCEPT
OPEN: Final = State.OPEN
CLOSE_SENT: Final = State.CLOSE_SENT
LINGERING: Final = State.LINGERING
CLOSED: Final = State.CLOSED


class Trigger(_Name):
    """What happened. The value is the label in the diagram; its prefix names the source."""

    PEER_REQUEST = "peer: opening handshake"
    PEER_BAD_REQUEST = "peer: anything but an opening handshake"
    PEER_ACCEPTANCE = "peer: accepts the handshake"
    PEER_REFUSAL = "peer: refuses the handshake"
    PEER_LAST_BODY = "peer: end of the refusal's body"
    PEER_BAD_RESPONSE = "peer: anything but an answer to the handshake"
    PEER_CLOSE = "peer: close frame"
    PEER_VIOLATION = "peer: breaks the protocol"
    PEER_EOF = "peer: end of stream"
    APP_ACCEPT = "app: accept"
    APP_CLOSE = "app: close"
    APP_SEND = "app: send"
    APP_RESPONSE = "app: response start"
    APP_BODY = "app: response body, more to come"
    APP_LAST_BODY = "app: last response body"
    TASK_RETURNED = "task: application returned"
    TASK_RAISED = "task: application raised"
    TIME_HANDSHAKE = "time: handshake overdue"
    TIME_ACCEPT = "time: answer overdue"
    TIME_BODY = "time: next response body overdue"
    TIME_PING = "time: ping due"
    TIME_PONG = "time: pong overdue"
    TIME_DEFERRED = "time: deferred end waited long enough"
    TIME_CLOSE = "time: closing overdue"
    OPERATOR_SHUTDOWN = "operator: shutdown"
    OPERATOR_REJECTS = "operator: rejects a request"
    TRANSPORT_LOST = "transport: connection lost"


class Effect(_Name):
    """What follows from a trigger. `ServerConnection` has one method for each."""

    START_APPLICATION = "start the application"
    REFUSE = "write a whole HTTP response"
    SWITCH_PROTOCOLS = "write the 101 response, read frames"
    READ_FRAMES = "read frames"
    HOLD_RESPONSE = "keep the response's head until its first body"
    WRITE_HEAD = "write the held head"
    WRITE_BODY = "write a piece of the body"
    AWAIT_BODY = "wait for the next body as long again"
    SEND_CLOSE = "write a close frame"
    SEND_PING = "write a ping, await its pong"
    APPLY_DEFERRED = "let the deferred end take effect"
    QUEUE_DISCONNECT = "queue the application's last message"


class Timer(_Name):
    """What is being waited for. The value is the trigger that fires on expiry."""

    HANDSHAKE = Trigger.TIME_HANDSHAKE  # for the peer to send its request head, or its whole response
    ACCEPT = Trigger.TIME_ACCEPT  # for the application to answer a handshake
    BODY = Trigger.TIME_BODY  # for the application to send the next part of a denial response
    PING = Trigger.TIME_PING  # until the next ping
    PONG = Trigger.TIME_PONG  # for a pinged peer to show activity
    DEFERRED = Trigger.TIME_DEFERRED  # for a peer's end to wait behind messages that the application does not take
    CLOSE = Trigger.TIME_CLOSE  # for the closing to complete


class Step(NamedTuple):
    """The result of a trigger: the next state, and the effects in order."""

    state: State
    effects: tuple[Effect, ...]


S, T, Do = State, Trigger, Effect


def step(state: State, *effects: Effect) -> Step:
    return Step(state, effects)


SERVER_TRANSITIONS: Final[dict[State, dict[Trigger, Step]]] = {
    S.AWAITING_REQUEST: {
        T.PEER_REQUEST: step(S.AWAITING_ACCEPT, Do.START_APPLICATION),
        T.PEER_BAD_REQUEST: step(S.LINGERING, Do.REFUSE),
        T.PEER_EOF: step(S.CLOSED),
        T.TIME_HANDSHAKE: step(S.LINGERING, Do.REFUSE),
        T.OPERATOR_SHUTDOWN: step(S.LINGERING, Do.REFUSE),
        T.OPERATOR_REJECTS: step(S.LINGERING, Do.REFUSE),
        T.TRANSPORT_LOST: step(S.CLOSED),
    },
    S.AWAITING_ACCEPT: {
        T.APP_ACCEPT: step(S.OPEN, Do.SWITCH_PROTOCOLS),
        T.APP_CLOSE: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.APP_RESPONSE: step(S.RESPONSE_PENDING, Do.HOLD_RESPONSE),
        T.TASK_RETURNED: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.TASK_RAISED: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.PEER_EOF: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.TIME_ACCEPT: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.OPERATOR_SHUTDOWN: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.TRANSPORT_LOST: step(S.CLOSED, Do.QUEUE_DISCONNECT),
    },
    S.RESPONSE_PENDING: {
        T.APP_BODY: step(S.RESPONSE_STREAMING, Do.WRITE_HEAD, Do.WRITE_BODY, Do.AWAIT_BODY),
        T.APP_LAST_BODY: step(S.LINGERING, Do.WRITE_HEAD, Do.WRITE_BODY, Do.QUEUE_DISCONNECT),
        T.TASK_RETURNED: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.TASK_RAISED: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.PEER_EOF: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.TIME_BODY: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.OPERATOR_SHUTDOWN: step(S.LINGERING, Do.REFUSE, Do.QUEUE_DISCONNECT),
        T.TRANSPORT_LOST: step(S.CLOSED, Do.QUEUE_DISCONNECT),
    },
    S.RESPONSE_STREAMING: {  # a shutdown lets it finish: the application has the grace period for that
        T.APP_BODY: step(S.RESPONSE_STREAMING, Do.WRITE_BODY, Do.AWAIT_BODY),
        T.APP_LAST_BODY: step(S.LINGERING, Do.WRITE_BODY, Do.QUEUE_DISCONNECT),
        T.TASK_RETURNED: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.TASK_RAISED: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.PEER_EOF: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.TIME_BODY: step(S.CLOSED, Do.QUEUE_DISCONNECT),
        T.TRANSPORT_LOST: step(S.CLOSED, Do.QUEUE_DISCONNECT),
    },
    S.OPEN: {
        T.APP_SEND: step(S.OPEN),  # listed for the "allowed: ..." in error texts; the fast path does not look it up
        T.APP_CLOSE: step(S.CLOSE_SENT, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.TASK_RETURNED: step(S.CLOSE_SENT, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.TASK_RAISED: step(S.CLOSE_SENT, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.PEER_CLOSE: step(S.LINGERING, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.PEER_VIOLATION: step(S.LINGERING, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.PEER_EOF: step(S.LINGERING, Do.QUEUE_DISCONNECT),
        T.TIME_PING: step(S.OPEN, Do.SEND_PING),
        T.TIME_PONG: step(S.LINGERING, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.TIME_DEFERRED: step(S.OPEN, Do.APPLY_DEFERRED),
        T.OPERATOR_SHUTDOWN: step(S.CLOSE_SENT, Do.SEND_CLOSE, Do.QUEUE_DISCONNECT),
        T.TRANSPORT_LOST: step(S.CLOSED, Do.QUEUE_DISCONNECT),
    },
    S.CLOSE_SENT: {
        T.PEER_CLOSE: step(S.LINGERING),
        T.PEER_VIOLATION: step(S.LINGERING),
        T.PEER_EOF: step(S.LINGERING),
        T.TIME_CLOSE: step(S.CLOSED),
        T.TRANSPORT_LOST: step(S.CLOSED),
    },
    S.LINGERING: {  # an end of stream changes nothing: our last bytes may still be on their way out
        T.TIME_CLOSE: step(S.CLOSED),
        T.TRANSPORT_LOST: step(S.CLOSED),
    },
    S.CLOSED: {},
}

CLIENT_TRANSITIONS: Final[dict[State, dict[Trigger, Step]]] = {
    S.AWAITING_RESPONSE: {
        T.PEER_ACCEPTANCE: step(S.OPEN, Do.READ_FRAMES),
        T.PEER_REFUSAL: step(S.READING_REFUSAL),
        T.PEER_BAD_RESPONSE: step(S.CLOSED),
        T.PEER_EOF: step(S.CLOSED),
        T.APP_CLOSE: step(S.CLOSED),
        T.TIME_HANDSHAKE: step(S.CLOSED),
        T.TRANSPORT_LOST: step(S.CLOSED),
    },
    S.READING_REFUSAL: {  # the refusal stands, whatever ends the body
        T.PEER_LAST_BODY: step(S.CLOSED),
        T.PEER_EOF: step(S.CLOSED),
        T.APP_CLOSE: step(S.CLOSED),
        T.TIME_HANDSHAKE: step(S.CLOSED),
        T.TRANSPORT_LOST: step(S.CLOSED),
    },
    S.OPEN: {
        trigger: step
        for trigger, step in SERVER_TRANSITIONS[S.OPEN].items()
        if trigger not in (T.TASK_RETURNED, T.TASK_RAISED, T.OPERATOR_SHUTDOWN)  # a client has none of these
    },
    S.CLOSE_SENT: SERVER_TRANSITIONS[S.CLOSE_SENT],
    S.LINGERING: SERVER_TRANSITIONS[S.LINGERING],
    S.CLOSED: SERVER_TRANSITIONS[S.CLOSED],
}
"""The client's table: its own handshake, then the server's states minus the triggers that a client does not have."""

ARMED: Final[dict[State, frozenset[Timer]]] = {
    S.AWAITING_REQUEST: frozenset({Timer.HANDSHAKE}),
    S.AWAITING_RESPONSE: frozenset({Timer.HANDSHAKE}),
    S.READING_REFUSAL: frozenset({Timer.HANDSHAKE}),
    S.AWAITING_ACCEPT: frozenset({Timer.ACCEPT}),
    S.RESPONSE_PENDING: frozenset({Timer.BODY}),
    S.RESPONSE_STREAMING: frozenset({Timer.BODY}),
    S.OPEN: frozenset({Timer.PING, Timer.PONG, Timer.DEFERRED}),
    S.CLOSE_SENT: frozenset({Timer.CLOSE}),
    S.LINGERING: frozenset({Timer.CLOSE}),
    S.CLOSED: frozenset(),
}

LATER: Final = frozenset({Timer.PONG, Timer.DEFERRED})  # PONG starts with a ping, DEFERRED with the peer's end
