"""The theorems on the table alone: no bytes, no clock, no connection."""

from collections.abc import Iterator

import pytest

from wscore._core.asgi.messages import TRIGGERS
from wscore._core.lifecycle import (
    ARMED,
    CLIENT_TRANSITIONS,
    LATER,
    SERVER_TRANSITIONS,
    Effect,
    State,
    Step,
    Timer,
    Trigger,
)
from wscore._core.server import ServerConnection

Table = dict[State, dict[Trigger, Step]]

STEPS = [(state, trigger, step) for state, row in SERVER_TRANSITIONS.items() for trigger, step in row.items()]
CLIENT_STEPS = [(state, trigger, step) for state, row in CLIENT_TRANSITIONS.items() for trigger, step in row.items()]
FIRST = {"server": State.AWAITING_REQUEST, "client": State.AWAITING_RESPONSE}
TABLES = {"server": SERVER_TRANSITIONS, "client": CLIENT_TRANSITIONS}

each_table = pytest.mark.parametrize("end", TABLES)
each_state = pytest.mark.parametrize(
    ("table", "state"),
    [pytest.param(table, state, id=f"{end}-{state.name}") for end, table in TABLES.items() for state in table],
)


def reachable(state: State, table: Table = SERVER_TRANSITIONS) -> set[State]:
    """All states that some sequence of triggers leads to from `state`, itself included."""
    found = {state}
    waiting = [state]
    while waiting:
        for step in table[waiting.pop()].values():
            if step.state not in found:
                found.add(step.state)
                waiting.append(step.state)
    return found


def counts_on_paths(effect: Effect) -> dict[State, set[int]]:
    """How often, on any path from the start to each state, `effect` was performed; 2 stands for "more than once"."""
    counts: dict[State, set[int]] = {state: set() for state in State}
    waiting = [(State.AWAITING_REQUEST, 0)]
    while waiting:
        state, count = waiting.pop()
        if count in counts[state]:
            continue
        counts[state].add(count)
        waiting += [
            (step.state, min(2, count + step.effects.count(effect))) for step in SERVER_TRANSITIONS[state].values()
        ]
    return counts


def states_by_history() -> Iterator[tuple[State, bool, int]]:
    """Every (state, application started, disconnects queued) that some path from the start leads to."""
    seen: set[tuple[State, bool, int]] = set()
    waiting = [(State.AWAITING_REQUEST, False, 0)]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        state, started, disconnects = node
        for step in SERVER_TRANSITIONS[state].values():
            waiting.append(
                (
                    step.state,
                    started or Effect.START_APPLICATION in step.effects,
                    min(2, disconnects + step.effects.count(Effect.QUEUE_DISCONNECT)),
                )
            )


def test_every_state_has_a_row_and_a_set_of_timers():
    """The tables of both ends and that of the timers speak of every state, and of nothing else."""
    assert set(SERVER_TRANSITIONS) | set(CLIENT_TRANSITIONS) == set(State) == set(ARMED)


@each_table
def test_every_state_is_reachable(end: str):
    """Every state of an end can be reached from its first."""
    assert reachable(FIRST[end], TABLES[end]) == set(TABLES[end])


@each_state
def test_closed_is_the_only_absorbing_state(table: Table, state: State):
    """CLOSED leads nowhere, and from every state some path leads to CLOSED."""
    assert (not table[state]) == (state is State.CLOSED)
    assert State.CLOSED in reachable(state, table)
    if state is not State.CLOSED:
        assert reachable(state, table) != {state}


@each_state
def test_armed_timers_and_time_rows_are_the_same(table: Table, state: State):
    """Every armed timer has a row, and no row waits for an unarmed one."""
    armed = {timer.value for timer in ARMED[state]}
    assert armed == {trigger for trigger in table[state] if trigger.value.startswith("time: ")}


@each_state
def test_timers_alone_lead_to_closed(table: Table, state: State):
    """With pings on and nothing else happening, a connection's timers take it from every state to CLOSED.

    The timers that run are those that the state starts by itself, those that ran on from the state before, and the
    one that a step's effect starts: a ping starts the wait for its pong.
    """
    running = set(ARMED[state] - LATER)
    for _ in range(10):
        if state is State.CLOSED:
            return
        assert running, f"nothing is waited for in {state.name}"
        timer = min(running, key=lambda timer: timer.name == "PING")  # a pong overdue comes before the next ping
        running.discard(timer)
        step = table[state][timer.value]
        if Effect.SEND_PING in step.effects:
            running.add(Timer.PONG)
        if step.state is not state:
            running = (running & ARMED[step.state]) | (ARMED[step.state] - LATER)
        state = step.state
    pytest.fail(f"still {state.name}")


def test_states_before_closed_are_left_by_a_timer_of_their_own():
    """Every state but CLOSED is bounded in time: it starts a timer when it is entered."""
    assert [state for state in State if not ARMED[state] - LATER] == [State.CLOSED]


def test_later_timers_belong_to_open_states_only():
    """A timer that starts with what it waits for is armed in OPEN alone, where an effect or an input starts it."""
    for timer in LATER:
        assert [state for state in State if timer in ARMED[state]] == [State.OPEN]


def test_a_closing_is_bounded_as_a_whole():
    """The timer of the closing runs on from CLOSE_SENT to LINGERING: both have it, and neither starts it anew."""
    assert ARMED[State.CLOSE_SENT] == ARMED[State.LINGERING] == {Timer.CLOSE}
    assert Timer.CLOSE not in LATER


def test_the_application_starts_at_most_once():
    """On no path is the application started twice."""
    assert set().union(*counts_on_paths(Effect.START_APPLICATION).values()) == {0, 1}


def test_exactly_one_disconnect_for_a_started_application():
    """On every path to CLOSED, a started application was told once that it is over, and one not started never."""
    for state, started, disconnects in states_by_history():
        assert disconnects <= started
        if state is State.CLOSED:
            assert disconnects == started


def test_disconnect_is_queued_on_leaving_the_living_states():
    """The application has its disconnect as soon as the connection is in one of the states that end it."""
    ending = {State.CLOSE_SENT, State.LINGERING, State.CLOSED}
    for state, started, disconnects in states_by_history():
        assert disconnects == (started and state in ending)


def test_at_most_one_close_frame():
    """I4: on no path are two close frames sent, and no frame is sent in a state that follows one."""
    assert set().union(*counts_on_paths(Effect.SEND_CLOSE).values()) == {0, 1}
    for _, _, step in STEPS:
        if Effect.SEND_CLOSE in step.effects:
            after = reachable(step.state)
            written = {
                effect for state in after for later in SERVER_TRANSITIONS[state].values() for effect in later.effects
            }
            assert written == set()


def test_one_http_response_on_any_path():
    """I5: a refusal, a 101 and a denial's head exclude each other, and each is written once."""
    answers = {Effect.REFUSE, Effect.SWITCH_PROTOCOLS, Effect.WRITE_HEAD}
    for state, _, step in STEPS:
        given = answers & set(step.effects)
        assert len(given) <= 1
        if given:
            assert not any(
                answers & set(s.effects) for later in reachable(step.state) for s in SERVER_TRANSITIONS[later].values()
            )
            assert state in (State.AWAITING_REQUEST, State.AWAITING_ACCEPT, State.RESPONSE_PENDING)


def test_frames_only_after_the_101():
    """I5: frames are written in OPEN alone, and OPEN is entered by the 101 alone."""
    frames = {Effect.SEND_CLOSE, Effect.SEND_PING}
    for state, _, step in STEPS:
        if frames & set(step.effects):
            assert state is State.OPEN
        if step.state is State.OPEN and state is not State.OPEN:
            assert step.effects == (Effect.SWITCH_PROTOCOLS,)


@each_state
def test_a_lost_connection_is_closed_at_once(table: Table, state: State):
    """Whatever the state, a lost connection is CLOSED, without a byte for anybody."""
    if state is State.CLOSED:
        return
    step = table[state][Trigger.TRANSPORT_LOST]
    assert step.state is State.CLOSED
    assert set(step.effects) <= {Effect.QUEUE_DISCONNECT}


def test_every_trigger_is_used():
    """No trigger is in the enum that no state answers to."""
    assert {trigger for _, trigger, _ in [*STEPS, *CLIENT_STEPS]} == set(Trigger)


def test_every_effect_is_used():
    """No effect is in the enum that no step has."""
    assert {effect for *_, step in [*STEPS, *CLIENT_STEPS] for effect in step.effects} == set(Effect)


def test_every_timer_is_armed_somewhere():
    """No timer is in the enum that no state arms, and each has a trigger of its own."""
    assert set().union(*ARMED.values()) == set(Timer)
    assert len({timer.value for timer in Timer}) == len(Timer)
    assert {timer.value for timer in Timer} == {trigger for trigger in Trigger if trigger.value.startswith("time: ")}


def test_labels_name_one_of_the_six_sources():
    """A trigger's label says who did it."""
    assert {trigger.value.partition(": ")[0] for trigger in Trigger} == {
        "peer",
        "app",
        "task",
        "time",
        "operator",
        "transport",
    }


def test_app_labels_are_the_messages_of_asgi():
    """`app:` triggers are exactly those of ASGI's messages; the last body is the body's other one."""
    labelled = {trigger for trigger in Trigger if trigger.value.startswith("app: ")}
    assert labelled == {*TRIGGERS.values(), Trigger.APP_LAST_BODY}
    for row in SERVER_TRANSITIONS.values():
        assert (Trigger.APP_BODY in row) == (Trigger.APP_LAST_BODY in row)


# -- the client's table


def test_the_client_shares_the_rows_of_an_open_connection():
    """Once open, a client's row is the server's, less what a client does not have; closing, it is the same object."""
    for state in (State.CLOSE_SENT, State.LINGERING, State.CLOSED):
        assert CLIENT_TRANSITIONS[state] is SERVER_TRANSITIONS[state]
    ours, theirs = CLIENT_TRANSITIONS[State.OPEN], SERVER_TRANSITIONS[State.OPEN]
    assert all(theirs[trigger] is step for trigger, step in ours.items())
    missing = {trigger.value.partition(": ")[0] for trigger in theirs.keys() - ours.keys()}
    assert missing == {"task", "operator"}


def test_a_client_opens_by_the_servers_acceptance_alone():
    """OPEN is entered by a good answer alone, and only then are frames read and written."""
    for state, trigger, step in CLIENT_STEPS:
        if step.state is State.OPEN and state is not State.OPEN:
            assert (trigger, step.effects) == (Trigger.PEER_ACCEPTANCE, (Effect.READ_FRAMES,))
        if {Effect.SEND_CLOSE, Effect.SEND_PING} & set(step.effects):
            assert state is State.OPEN


def test_a_clients_handshake_is_bounded_as_a_whole():
    """The timer of the handshake runs on while a refusal's body is read."""
    assert ARMED[State.AWAITING_RESPONSE] == ARMED[State.READING_REFUSAL] == {Timer.HANDSHAKE}
    assert Timer.HANDSHAKE not in LATER


def test_a_client_that_was_refused_ends_closed():
    """READING_REFUSAL leads to CLOSED at once, whatever happens: nothing is left to say to the server."""
    assert {step.state for step in CLIENT_TRANSITIONS[State.READING_REFUSAL].values()} == {State.CLOSED}


def test_the_connection_has_a_method_for_each_effect() -> None:
    """Whatever the server's table asks for can be performed."""
    assert set(ServerConnection._PERFORM) == {effect for *_, step in STEPS for effect in step.effects}
