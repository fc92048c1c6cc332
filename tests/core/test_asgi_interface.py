"""What `as_asgi3` makes of an application; tests/test_interface.py has how applications are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from wscore._core.asgi.interface import Interface, as_asgi3, interface_of


async def asgi3(scope: Any, receive: Any, send: Any) -> None:
    pass


def test_an_application_without_a_signature_is_taken_for_asgi_3() -> None:
    """Objects written in C may have none. Whether it can be served shows when it is called."""

    class Opaque:
        __signature__ = 0  # `inspect.signature` raises TypeError for that

        def __call__(self) -> None:
            pass

    assert interface_of(Opaque()) is Interface.ASGI3


def test_an_asgi_3_application_is_served_as_it_is() -> None:
    """No wrapper costs a call on each connection."""
    assert as_asgi3(asgi3) is asgi3


def test_an_asgi_2_application_gets_the_scope_first() -> None:
    """It reads ASGI 2.0 in the scope, and the server's scope stays as it was."""
    scope = {"type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.5"}}
    calls: list[Any] = []

    def double(scope: Any) -> Any:
        async def instance(receive: Any, send: Any) -> None:
            calls.append((scope["asgi"], receive, send))

        return instance

    with pytest.raises(StopIteration):
        as_asgi3(double)(scope, "receive", "send").__await__().send(None)
    assert calls == [({"version": "2.0", "spec_version": "2.5"}, "receive", "send")]
    assert scope["asgi"]["version"] == "3.0"  # type: ignore[index]


@pytest.mark.parametrize(("app", "says"), [(lambda: asgi3, "factory"), (None, "cannot be called")])
def test_what_is_no_application_is_refused(app: Any, says: str) -> None:
    """With what is wrong, and what to do."""
    with pytest.raises(TypeError, match=f"^the application .*{says}"):
        as_asgi3(app)
