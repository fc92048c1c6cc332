"""Every limit and every timeout."""

import ast
import dataclasses
import inspect
import math
from typing import Any

import pytest

from wscore import Config, InvalidConfig, ServerConfig
from wscore._core import config

FIELDS = [field.name for field in dataclasses.fields(ServerConfig)]
WHOLE = [
    "max_head_size",
    "max_headers",
    "max_early_data",
    "max_refusal_size",
    "max_message_size",
    "max_fragments",
    "max_queue",
    "max_queue_size",
    "max_output_size",
    "backlog",
]
SECONDS = ["handshake_timeout", "close_timeout", "read_poll_interval", "accept_retry"]
OPTIONAL_SECONDS = ["accept_timeout", "ping_interval", "ping_timeout", "lifespan_timeout"]
RANGES = {"compression_window_bits": (9, 15), "compression_mem_level": (1, 9), "compression_level": (0, 9)}
OTHERS = [
    "engine",
    "compression",
    "compression_min_size",
    "max_connections",
    "shutdown_code",
    "shutdown_grace",
    "root_path",
]


def kind_of(name: str) -> type[Config]:
    """A connection's fields are tested on `Config`, a server's on `ServerConfig`."""
    return Config if name in {field.name for field in dataclasses.fields(Config)} else ServerConfig


def refused(name: str, value: Any) -> None:
    """The value is refused with an error that names it."""
    kind = kind_of(name)
    with pytest.raises(InvalidConfig, match=f"^{kind.__name__}\\({name}=") as caught:
        kind(**{name: value})
    assert caught.value.field == name
    assert caught.value.value is value


def accepted(name: str, value: Any) -> None:
    assert getattr(kind_of(name)(**{name: value}), name) == value


def test_a_connection_is_not_told_what_is_a_servers():
    """A client cannot be given a backlog."""
    with pytest.raises(TypeError):
        Config(backlog=5)  # type: ignore[call-arg]


def test_a_servers_configuration_is_completed():
    """`ServerConfig.of` keeps one as it is, and gives a connection's the server's defaults."""
    server = ServerConfig(backlog=5)
    assert ServerConfig.of(server) is server
    assert ServerConfig.of(None) == ServerConfig()
    assert ServerConfig.of(Config(max_queue=3)) == ServerConfig(max_queue=3)


def test_every_field_is_tested_here():
    """No limit is without its check: a new field belongs into one of these lists."""
    assert sorted([*WHOLE, *SECONDS, *OPTIONAL_SECONDS, *RANGES, *OTHERS]) == sorted(FIELDS)


@pytest.mark.parametrize("kind", [Config, ServerConfig])
def test_every_field_has_a_default_and_its_reason(kind: type[Config]):
    """Each field has a default, and a text below it that says why."""
    kind()
    tree = ast.parse(inspect.getsource(config))
    [definition] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and not ast.unparse(field.annotation).startswith("ClassVar"):
            assert field.value is not None
            assert isinstance(below, ast.Expr), ast.unparse(field)
            assert isinstance(below.value, ast.Constant), ast.unparse(field)


def test_immutable_and_by_keyword_only():
    """One object serves all connections: it cannot be changed, and its fields have to be named."""
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_queue = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Config(1)  # type: ignore[misc]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str):
    """Sizes and counts are whole numbers, 1 or more."""
    accepted(name, 1)
    accepted(name, 2**40)
    for value in (0, -1, 1.5, 2.0, True, "1", None, math.inf):
        refused(name, value)


@pytest.mark.parametrize("name", SECONDS)
def test_durations(name: str):
    """Times are finite seconds above 0."""
    accepted(name, 0.001)
    accepted(name, 5)
    for value in (0, -1, math.inf, math.nan, True, "5", None):
        refused(name, value)


@pytest.mark.parametrize("name", OPTIONAL_SECONDS)
def test_durations_that_can_be_switched_off(name: str):
    """Some times may be None, and else are finite seconds above 0."""
    accepted(name, None)
    accepted(name, 0.5)
    for value in (0, -1, math.inf, math.nan, True, "5"):
        refused(name, value)


@pytest.mark.parametrize("name", RANGES)
def test_zlibs_ranges(name: str):
    """What zlib is told lies in its ranges; a float would only fail on a connection."""
    lowest, highest = RANGES[name]
    accepted(name, lowest)
    accepted(name, highest)
    for value in (lowest - 1, highest + 1, float(lowest), None, "9"):
        refused(name, value)


def test_engine():
    """There are two engines."""
    accepted("engine", "native")
    accepted("engine", "wsproto")
    for value in ("", "Native", None, True):
        refused("engine", value)


def test_compression_min_size():
    """A size is a whole number; at 0 every message is compressed."""
    accepted("compression_min_size", 0)
    accepted("compression_min_size", 2**40)
    for value in (-1, 1.0, True, None):
        refused("compression_min_size", value)


def test_max_connections():
    """The number of connections is 1 or more, or None."""
    accepted("max_connections", None)
    accepted("max_connections", 1)
    for value in (0, -1, 1.0, True, "5"):
        refused("max_connections", value)


def test_shutdown_code():
    """The shutdown's code is one that a close frame can carry."""
    accepted("shutdown_code", 1001)
    accepted("shutdown_code", 4000)
    for value in (1005, 1006, 999, 5000, 1012.0, None, "1012"):
        refused("shutdown_code", value)


def test_shutdown_grace():
    """The grace time may be 0: applications are cancelled at once."""
    accepted("shutdown_grace", 0)
    accepted("shutdown_grace", 2.5)
    for value in (-1, math.inf, None, "1"):
        refused("shutdown_grace", value)


def test_root_path():
    """The root path is empty, or begins with a slash and does not end with one."""
    accepted("root_path", "")
    accepted("root_path", "/api/v1")
    for value in ("/", "api", "/api/"):
        refused("root_path", value)
