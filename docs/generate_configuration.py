"""Writes reference/configuration.md from Config's fields and docstrings: `python docs/generate_configuration.py`."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from wscore import Config, ServerConfig
from wscore._core import config

PAGE = Path(__file__).parent / "reference" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by docs/generate_configuration.py from src/wscore/_core/config.py; edit that. -->

`wscore.Config` holds the limits and timeouts of a connection, at either end: for `connect(uri, config=...)` and
`ServerConnection`. `wscore.ServerConfig` has the same fields and those of a server as a whole:
`serve(app, config=ServerConfig(max_queue=8, backlog=100))`. All fields are keywords; the objects are immutable, and one
serves all connections.

- Sizes are bytes, and inclusive: a message of exactly `max_message_size` bytes passes.
- Times are seconds.
- `None` switches off what it is allowed for.
- A value that cannot work raises `InvalidConfig`, a ValueError, when the object is made.

An option is one of `wscore run`.
"""


def options() -> dict[str, str]:
    """Give each field's option on the command line."""
    table: dict[str, str] = importlib.import_module("wscore._cli.run.config_options").CONFIG_OPTIONS
    return {field: option for option, field in table.items()}


def page() -> str:
    """Return the page."""
    text = [HEAD, *fields_of(Config), "\n## The server as a whole: ServerConfig\n", *fields_of(ServerConfig)]
    return "\n".join(text) + "\n"


def fields_of(kind: type[Config]) -> Iterator[str]:
    """Describe the fields that a class adds, under the headings of its comments."""
    source = inspect.getsource(config)
    lines = source.splitlines()
    [found] = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    cli = options()
    read = found.lineno  # lines of the source whose section headings are written
    for field, described in zip(found.body, found.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and field.value is not None and isinstance(field.target, ast.Name)):
            continue
        if field.target.id.startswith("_"):
            continue
        assert isinstance(described, ast.Expr), f"{ast.unparse(field)} has no docstring"
        assert isinstance(described.value, ast.Constant)
        for line in lines[read : field.lineno]:
            heading = line.strip().removeprefix("# -- ")
            if heading != line.strip():
                yield (f"\n## {heading[0].upper()}{heading[1:]}\n")
        read = field.lineno
        name = field.target.id
        option = f", `{cli[name]}`" if name in cli else ""
        reason = " ".join(inspect.cleandoc(str(described.value.value)).split())
        default = ast.unparse(field.value)
        number = eval(default)
        shown = f"{default} ({number:,})" if any(sign in default for sign in "*") else default
        yield (f"- **`{name}: {ast.unparse(field.annotation)} = {shown}`**{option}  \n  {reason}")


if __name__ == "__main__":
    PAGE.write_text(page())
