"""Injection: how a handler's parameters are filled, decided at registration.

A parameter is identified by its annotation. A component provides the return annotation of its `resolve`; a
connection's built-in values need no component. Each handler is planned once: a parameter that nothing provides is an
error at registration that names both, and a connection only executes the plan.

Values are made once per connection, on demand, and torn down in reverse order when it ends. A plain `def` never runs
on the event loop, here or elsewhere in this package: it runs in a worker thread.
"""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import anyio.to_thread

from ._routing import Converter

__all__ = ["CallPlan", "Component", "Context", "InjectionError", "Injector", "call", "is_async", "signature_of"]


class InjectionError(TypeError):
    """A handler or component that cannot be called as it is written; raised at registration."""


class Component:
    """Provides values for parameters: subclass it and write `def resolve(self, ...) -> Provided`.

    `resolve` may be sync or async, and may be a generator that yields the value once and tears it down afterwards
    (annotated `-> Iterator[Provided]` or `AsyncIterator[Provided]`). Its parameters are injected, too.
    """

    resolve: Callable[..., Any]


class Context:
    """The values of one connection: the built-in ones, and those made by components."""

    def __init__(self, values: Mapping[Any, Any], stack: AsyncExitStack) -> None:
        self.values = dict(values)
        """The built-in values by annotation; `Injector` knows which to expect."""
        self.stack = stack
        """Closed when the connection ends."""
        self._made: dict[_Provider, Any] = {}

    async def make(self, provider: _Provider) -> Any:
        """Return this connection's value of `provider`, made on the first call."""
        if provider not in self._made:
            self._made[provider] = await provider.make(self)
        return self._made[provider]


NamedProvider = Callable[[Context, str, Any], Any]
"""Returns a parameter's value, given the context, its name and its default (`Parameter.empty` if it has none)."""


class CallPlan(NamedTuple):
    """How to fill a function's parameters."""

    function: Callable[..., Any]
    constants: tuple[tuple[str, Callable[[Context], Any]], ...]
    provided: tuple[tuple[str, _Provider], ...]
    given: frozenset[str]
    """The parameters that the caller fills, limited to those that the function has."""

    async def bind(self, context: Context) -> dict[str, Any]:
        """Return the keyword arguments for a connection; they are constant over its lifetime."""
        arguments = {name: source(context) for name, source in self.constants}
        for name, provider in self.provided:
            arguments[name] = await context.make(provider)
        return arguments


class _Provider:
    """A component, or a function with a return annotation, and the plan to call it."""

    def __init__(self, name: str, function: Callable[..., Any], provides: Any) -> None:
        self.name = name
        self.function = function
        self.provides = provides
        self.plan: CallPlan | None = None  # None while it is being made: meeting that is a cycle

    async def make(self, context: Context) -> Any:
        assert self.plan is not None  # planned before any connection exists
        arguments = await self.plan.bind(context)
        if inspect.isasyncgenfunction(self.function):
            return await context.stack.enter_async_context(asynccontextmanager(self.function)(**arguments))
        if inspect.isgeneratorfunction(self.function):
            manager = contextmanager(self.function)(**arguments)
            return await context.stack.enter_async_context(_InThreads(manager))
        return await call(self.function, **arguments)


class Injector:
    """Plans calls, from components and the built-in values of a connection.

    Args:
        components: As for `add`.
        builtins: Annotations whose values every connection has.
        by_name: Annotations whose values also depend on the parameter's name (`QueryParam`, say).

    Raises:
        InjectionError: A component cannot be called as it is written.
    """

    def __init__(
        self,
        components: Iterable[Component | Callable[..., Any]] = (),
        *,
        builtins: Iterable[Any] = (),
        by_name: Mapping[Any, NamedProvider] | None = None,
    ) -> None:
        self._builtins = set(builtins)
        self._by_name = dict(by_name or {})
        self._providers: dict[Any, _Provider] = {}
        for component in components:
            self.add(component)

    def add(self, component: Component | Callable[..., Any]) -> None:
        """Add a component, or a function that provides its return annotation. The later one wins.

        Raises:
            InjectionError: There is no return annotation, or the signature cannot be read.
        """
        function = component.resolve if isinstance(component, Component) else component
        name = type(component).__name__ if isinstance(component, Component) else _name(function)
        _, hints = signature_of(function, name)
        provides = hints.get("return", inspect.Parameter.empty)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            provides = _yielded(name, provides)
        if provides is inspect.Parameter.empty or provides is None or provides is type(None):
            raise InjectionError(f"component {name}: expected a return annotation that says what it provides")
        self._providers[provides] = _Provider(name, function, provides)

    def plan(
        self,
        function: Callable[..., Any],
        *,
        given: Iterable[str] = (),
        path: Mapping[str, Converter] | None = None,
        name: str | None = None,
    ) -> CallPlan:
        """Make the plan to call `function`.

        Args:
            function: A handler, sync or async.
            given: Parameters that the caller fills.
            path: The parameters of its route's path.
            name: How errors call the function; by default its qualified name.

        Raises:
            InjectionError: Nothing provides a parameter, or components depend on each other.
        """
        return self._plan(function, frozenset(given), path or {}, name or _name(function), ())

    def _plan(
        self,
        function: Callable[..., Any],
        given: frozenset[str],
        path: Mapping[str, Converter],
        name: str,
        within: tuple[_Provider, ...],
    ) -> CallPlan:
        parameters, hints = signature_of(function, name)
        constants: list[tuple[str, Callable[[Context], Any]]] = []
        provided: list[tuple[str, _Provider]] = []
        for parameter in parameters:
            if parameter.name in given:
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise InjectionError(f"{name}: parameter {parameter.name!r} is positional only, and is filled by name")
            annotation = hints.get(parameter.name, parameter.empty)
            if parameter.name in path:
                self._check_path_parameter(name, parameter.name, annotation, path[parameter.name])
                constants.append((parameter.name, partial(_path_parameter, parameter.name)))
            elif annotation in self._by_name:
                constants.append((parameter.name, partial(_named, self._by_name[annotation], parameter)))
            elif annotation in self._builtins:
                constants.append((parameter.name, partial(_builtin, annotation)))
            elif annotation in self._providers:
                provided.append((parameter.name, self._prepared(self._providers[annotation], path, within)))
            elif parameter.default is parameter.empty:
                kind = "without an annotation" if annotation is parameter.empty else f"of type {_shown(annotation)}"
                types = sorted(map(_shown, [*self._builtins, *self._by_name, *self._providers]))
                raise InjectionError(
                    f"{name}: nobody provides parameter {parameter.name!r} {kind}; there are {', '.join(types)}"
                    + (f", and by name {', '.join(path)}" if path else "")
                )
        asked = given & {parameter.name for parameter in parameters}
        return CallPlan(function, tuple(constants), tuple(provided), asked)

    def _prepared(self, provider: _Provider, path: Mapping[str, Converter], within: tuple[_Provider, ...]) -> _Provider:
        if provider in within:
            circle = " -> ".join(each.name for each in (*within[within.index(provider) :], provider))
            raise InjectionError(f"components that need each other: {circle}")
        if provider.plan is None:
            # Components get no path parameters: the same one serves every route.
            provider.plan = self._plan(provider.function, frozenset(), {}, provider.name, (*within, provider))
        return provider

    def _check_path_parameter(self, name: str, parameter: str, annotation: Any, converter: Converter) -> None:
        if annotation not in (inspect.Parameter.empty, converter.type, Any):
            raise InjectionError(
                f"{name}: path parameter {parameter!r} is {_shown(converter.type)}, but annotated "
                f"{_shown(annotation)}; write {{{parameter}:{_shown(annotation)}}} in the path, or annotate it so"
            )


class PathParameters(dict[str, Any]):
    """The converted parameters of the route's path."""


def _path_parameter(name: str, context: Context) -> Any:
    return context.values[PathParameters][name]


def _builtin(annotation: Any, context: Context) -> Any:
    value = context.values[annotation]
    # Values that are costly to make, or have side effects, are made on demand.
    if isinstance(value, Deferred):
        value = context.values[annotation] = value()
    return value


def _named(source: Callable[[Context, str, Any], Any], parameter: inspect.Parameter, context: Context) -> Any:
    return source(context, parameter.name, parameter.default)


class Deferred:
    """A built-in value that is made on demand."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __call__(self) -> Any:
        return self._make()


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling `function` is awaitable: coroutine functions, partials of them, async `__call__`."""
    while isinstance(function, partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType]
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - a question about its kind


async def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a sync or async function. A sync one runs in a worker thread, to its end even if the caller is cancelled."""
    if is_async(function):
        return await function(*args, **kwargs)
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))


def signature_of(function: Callable[..., Any], name: str) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """Return the parameters other than `*args` and `**kwargs`, and the annotations, with strings resolved."""
    try:
        parameters = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        raise InjectionError(f"{name}: its parameters cannot be read") from None
    target: Any = function
    while isinstance(target, partial):
        target = target.func  # pyright: ignore[reportUnknownMemberType]
    if inspect.isclass(target):
        target = target.__init__
    elif not inspect.isroutine(target):
        target = type(target).__call__
    try:
        hints = typing.get_type_hints(target)
    except Exception as error:  # annotations are code, and may raise anything
        raise InjectionError(f"{name}: its annotations cannot be read: {error}") from None
    for parameter, hint in hints.items():
        if not isinstance(hint, collections.abc.Hashable):
            raise InjectionError(f"{name}: the annotation of {parameter!r} is no type, but {hint!r}")
    return parameters, hints


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _shown(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)


_GENERATORS: Final = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


def _yielded(name: str, annotation: Any) -> Any:
    """Return what a generator provides, the `T` of `Iterator[T]`: its value is injected, not the generator."""
    if typing.get_origin(annotation) in _GENERATORS:
        return typing.get_args(annotation)[0]
    raise InjectionError(f"component {name}: expected a return annotation like Iterator[T] or AsyncIterator[T]")


class _InThreads:
    """Runs a sync context manager's enter and exit in worker threads; the exit even when cancelled."""

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        return await anyio.to_thread.run_sync(self._manager.__enter__)

    async def __aexit__(self, *error: Any) -> bool | None:
        swallowed: bool | None = None
        with anyio.CancelScope(shield=True):
            swallowed = await anyio.to_thread.run_sync(self._manager.__exit__, *error)
        return swallowed
