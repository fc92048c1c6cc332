"""Injection: what is provided, what fails at registration, and the order of making and tearing down."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, NewType

import anyio
import pytest

from wscore import Scope
from wscore.app import (
    URL,
    Address,
    App,
    Component,
    Cookies,
    Headers,
    InjectionError,
    Injector,
    Member,
    Path,
    QueryParams,
    Registry,
    State,
    WebSocket,
)

from .memory import connected

pytestmark = pytest.mark.anyio


class Database:
    def __init__(self, name: str = "main") -> None:
        self.name = name


class User:
    def __init__(self, name: str) -> None:
        self.name = name


class Session:
    pass


UserId = NewType("UserId", int)


async def answer(app: App, path: str = "/", **changes: Any) -> str:
    """The one text that a connection gets."""
    async with connected(app, path, **changes) as peer:
        await peer.accepted()
        return await peer.text()


# -- what there is


async def test_the_connections_own_values_are_there_by_annotation() -> None:
    """Each type asks for its value, whatever the parameter is called."""
    app = App()

    @app.websocket("/room/{name}/{n:int}")
    async def handler(
        a: WebSocket,
        b: Scope,
        c: Path,
        d: URL,
        e: Headers,
        f: QueryParams,
        g: Cookies,
        h: Address,
        i: State,
        j: Registry,
        k: Member,
        n: int,
        name: str,
    ) -> None:
        await a.accept()
        assert b is a.scope
        assert isinstance(c, Path)
        assert j is app.registry
        assert j.ids() == [k.id]
        values = [c, str(d), e["x"], f["q"], g, h.host, i.who, k.websocket is a, n, name]
        await a.send_json(values)

    text = await answer(
        app,
        "/room/blue/7?q=1",
        headers=[(b"host", b"example.org"), (b"x", b"y"), (b"cookie", b"a=b")],
        state={"who": "me"},
    )
    assert text == (
        '["/room/blue/7","ws://example.org/room/blue/7?q=1","y","1",{"a":"b"},"192.0.2.1","me",true,7,"blue"]'
    )


async def test_annotations_may_be_strings() -> None:
    """This module's annotations are strings throughout; an explicit one within them resolves too."""
    app = App(components=[lambda_database])

    @app.websocket("/")
    async def handler(websocket: "WebSocket", database: "Database") -> str:  # noqa: UP037
        await websocket.accept()
        return database.name

    assert await answer(app) == "main"


def lambda_database() -> Database:
    return Database()


@pytest.mark.parametrize("kind", ["component", "sync", "async", "generator", "async generator", "async component"])
async def test_the_kinds_of_providers(kind: str) -> None:
    """Sync, async, generator: a function, or the `resolve` of a component; torn down where there is something to."""
    torn: list[str] = []

    class Sync(Component):
        def resolve(self, params: QueryParams) -> Database:
            return Database(params["db"])

    class Async(Component):
        async def resolve(self, params: QueryParams) -> Database:
            await anyio.lowlevel.checkpoint()
            return Database(params["db"])

    def sync(params: QueryParams) -> Database:
        return Database(params["db"])

    async def asynchronous(params: QueryParams) -> Database:
        await anyio.lowlevel.checkpoint()
        return Database(params["db"])

    def generator(params: QueryParams) -> Iterator[Database]:
        yield Database(params["db"])
        torn.append("down")

    async def async_generator(params: QueryParams) -> AsyncIterator[Database]:
        yield Database(params["db"])
        await anyio.lowlevel.checkpoint()
        torn.append("down")

    provider: Any = {
        "component": Sync(),
        "async component": Async(),
        "sync": sync,
        "async": asynchronous,
        "generator": generator,
        "async generator": async_generator,
    }[kind]
    app = App(components=[provider])

    @app.websocket("/")
    async def handler(websocket: WebSocket, database: Database) -> str:
        await websocket.accept()
        assert torn == []
        return database.name

    assert await answer(app, "/?db=here") == "here"
    assert torn == (["down"] if "generator" in kind else [])


async def test_a_value_is_made_once_per_connection() -> None:
    """Two parameters and a component that ask for the same get the same; the next connection gets a new one."""
    made: list[Database] = []

    def database() -> Database:
        made.append(Database())
        return made[-1]

    def user(database: Database) -> User:
        return User(str(id(database)))

    app = App(components=[database, user])

    @app.websocket("/")
    async def handler(websocket: WebSocket, one: Database, user: User, two: Database) -> str:
        await websocket.accept()
        return str(one is two and user.name == str(id(one)))

    assert await answer(app) == "True"
    assert await answer(app) == "True"
    assert len(made) == 2


async def test_what_nobody_asks_for_is_not_made() -> None:
    """A component without a parameter that wants it is never called."""

    def database() -> Database:
        raise AssertionError("nobody asked")

    app = App(components=[database])

    @app.websocket("/")
    async def handler(websocket: WebSocket) -> str:
        await websocket.accept()
        return "fine"

    assert await answer(app) == "fine"


async def test_the_later_component_wins() -> None:
    """Of two that provide the same, the one added last."""
    app = App(components=[lambda_database, Other()])

    @app.websocket("/")
    async def handler(websocket: WebSocket, database: Database) -> str:
        await websocket.accept()
        return database.name

    assert await answer(app) == "other"


class Other(Component):
    def resolve(self) -> Database:
        return Database("other")


async def test_a_parameter_with_a_default_may_be_left_to_it() -> None:
    """Nobody provides it, and nobody needs to."""
    app = App()

    @app.websocket("/")
    async def handler(websocket: WebSocket, page: int = 3, *rest: Any, **more: Any) -> str:
        await websocket.accept()
        return f"{page} {rest} {more}"

    assert await answer(app) == "3 () {}"


async def test_plain_functions_run_in_worker_threads() -> None:
    """Handlers, providers, and both ends of a generator: none on the event loop."""
    threads: dict[str, int] = {}

    def note(name: str) -> None:
        threads[name] = threading.get_ident()

    def provider() -> Database:
        note("provider")
        return Database()

    def generator() -> Generator[User, None, None]:
        note("made")
        yield User("x")
        note("torn down")

    app = App(components=[provider, generator])

    @app.websocket("/")
    def handler(message: str, database: Database, user: User) -> str:
        note("handler")
        return message

    async with connected(app) as peer:
        await peer.accepted()
        peer.say("x")
        assert await peer.text() == "x"
    assert set(threads) == {"provider", "made", "torn down", "handler"}
    assert threading.get_ident() not in threads.values()


# -- the end


@pytest.mark.parametrize("end", ["return", "crash", "disconnect", "cancellation"])
async def test_what_was_made_is_torn_down_in_reverse_however_it_ends(end: str) -> None:
    """The last made goes first, on a return, a crash, a disconnect and a cancellation; generators see the error."""
    events: list[str] = []

    def database() -> Iterator[Database]:
        events.append("database made")
        try:
            yield Database()
        except LookupError:
            events.append("database saw the crash")
            raise
        finally:
            events.append("database closed")

    async def session(database: Database) -> AsyncIterator[Session]:
        events.append("session made")
        try:
            yield Session()
        finally:
            events.append("session closed")

    app = App(components=[session, database])

    @app.websocket("/")
    async def handler(websocket: WebSocket, session: Session) -> None:
        await websocket.accept()
        if end == "crash":
            raise LookupError("on purpose")
        if end != "return":
            await websocket.receive_text()

    async with connected(app) as peer:
        await peer.accepted()
        if end == "disconnect":
            peer.leave()
        if end == "cancellation":
            peer.cancel_scope.cancel()
        error = await peer.over()
    assert isinstance(error, LookupError) is (end == "crash")
    crashed = ["database saw the crash"] if end == "crash" else []
    assert events == ["database made", "session made", "session closed", *crashed, "database closed"]


async def test_a_provider_that_fails_tears_down_what_was_made_before() -> None:
    """The connection is refused, the error is the server's to log, and earlier values are torn down."""
    events: list[str] = []

    def database() -> Iterator[Database]:
        yield Database()
        events.append("never here: the error comes out of the yield")

    def closing() -> Iterator[Session]:
        try:
            yield Session()
        finally:
            events.append("closed")

    def user(session: Session) -> User:
        raise LookupError("no such user")

    app = App(components=[database, closing, user])

    @app.websocket("/")
    async def handler(websocket: WebSocket, database: Database, user: User) -> None:
        raise AssertionError("it was not filled")

    async with connected(app) as peer:
        assert isinstance(await peer.over(), LookupError)
        assert peer.left() == []
    assert events == ["closed"]


# -- what fails at registration


def register(app: App, handler: Any, path: str = "/") -> str:
    with pytest.raises(InjectionError) as caught:
        app.websocket(path)(handler)
    return str(caught.value)


def test_a_parameter_that_nobody_provides_is_named_with_its_handler() -> None:
    """With its type, and with what there is."""

    async def chat(websocket: WebSocket, database: Database) -> None: ...

    message = register(App(components=[Users()]), chat, "/{room}")
    assert "chat: nobody provides parameter 'database' of type Database; there are " in message
    for there in ("WebSocket", "Headers", "User", "Member", "and by name room"):
        assert there in message


class Users(Component):
    def resolve(self) -> User:
        return User("x")


def test_a_parameter_without_an_annotation_is_named() -> None:
    """It is said that the annotation is what is missing."""

    async def chat(websocket: WebSocket, database) -> None: ...  # type: ignore[no-untyped-def]

    assert "chat: nobody provides parameter 'database' without an annotation" in register(App(), chat)


def test_a_components_own_parameter_is_named_with_the_component() -> None:
    """What a component lacks is the component's, not the handler's."""

    async def chat(websocket: WebSocket, database: Database) -> None: ...

    assert register(App(components=[Needy()]), chat).startswith("Needy: nobody provides parameter 'user' of type User")


class Needy(Component):
    def resolve(self, user: User) -> Database:
        return Database(user.name)


def test_components_that_need_each_other_are_named_in_their_circle() -> None:
    """The whole circle is in the message."""

    async def chat(websocket: WebSocket, database: Database) -> None: ...

    message = register(App(components=[Needy(), Circular()]), chat)
    assert message == "components that need each other: Needy -> Circular -> Needy"


class Circular(Component):
    def resolve(self, database: Database) -> User:
        return User(database.name)


def test_a_path_parameter_of_another_type_is_named() -> None:
    """The message says what to write."""

    async def chat(websocket: WebSocket, n: int) -> None: ...

    message = register(App(), chat, "/{n}")
    assert "chat: path parameter 'n' is str, but annotated int; write {n:int} in the path" in message


def test_annotations_that_cannot_be_read_are_named() -> None:
    """A name that is not there, and a text that is no annotation."""

    async def chat(websocket: WebSocket, what: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    async def talk(websocket: WebSocket, what: "no type") -> None: ...  # type: ignore[valid-type]  # noqa: F722

    assert "chat: its annotations cannot be read" in register(App(), chat)
    assert "talk: its annotations cannot be read" in register(App(), talk)


def test_an_annotation_that_cannot_be_a_key_is_named() -> None:
    """A list as an annotation is nothing that anybody provides."""

    def chat(websocket: WebSocket, what: [int]) -> None: ...  # type: ignore[valid-type]

    assert "chat: the annotation of 'what' is no type, but [<class 'int'>]" in register(App(), chat)


def test_a_positional_only_parameter_is_named() -> None:
    """Parameters are filled by name."""

    async def chat(websocket: WebSocket, user: User, /) -> None: ...

    assert "chat: parameter 'websocket' is positional only" in register(App(), chat)


@pytest.mark.parametrize(
    "component", [lambda: Database(), type("Mute", (Component,), {"resolve": lambda self: None})()]
)
def test_a_component_that_does_not_say_what_it_provides(component: Any) -> None:
    """The return annotation is what is expected."""
    with pytest.raises(InjectionError, match="expected a return annotation that says what it provides"):
        App(components=[component])


def test_a_generator_must_say_what_it_yields() -> None:
    """`-> Database` on a generator is not true."""

    def database() -> Database:  # type: ignore[misc]
        yield Database()

    with pytest.raises(InjectionError, match=r"database: expected a return annotation like Iterator\[T\]"):
        App(components=[database])


def test_an_injector_alone_fills_by_name() -> None:
    """`by_name` values depend on the parameter's name: what a dialect's query parameters are."""
    injector = Injector(by_name={UserId: lambda context, name, default: name})

    def handler(user: UserId) -> None: ...

    assert [name for name, _ in injector.plan(handler).constants] == ["user"]
