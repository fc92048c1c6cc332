"""Imports MODULE:APP, or reports in one line which part of it is wrong.

A missing module is distinguished from a missing import of that module: Python raises the same exception for both, but
the remedies differ.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..._core.asgi.interface import Interface, interface_of
from ..failure import WRONG_USAGE, Failure, one_line

__all__ = ["load"]

_log = logging.getLogger("wscore.error")


def load(target: str, *, app_dir: str, factory: bool) -> Any:
    """Import the application that `target` (MODULE:APP, APP may be dotted) names, with `app_dir` first on `sys.path`.

    With `factory`, the object is called without arguments and returns the application. Without `factory` that is also
    done, with a warning in the log, if the object can only be called that way, as in uvicorn. Raises Failure.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        example = f"{module_name or 'main'}:app".replace("/", ".").replace(".py:", ":")
        raise Failure(f"{target!r} names no application: write MODULE:APP, for example {example}", status=WRONG_USAGE)
    directory = Path(app_dir)
    if not directory.is_dir():
        raise Failure(f"--app-dir {app_dir!r} is not a directory")
    sys.path.insert(0, str(directory.resolve()))

    found = _find(_import(module_name, directory), module_name, attribute)
    if not factory:
        try:
            if interface_of(found) is not Interface.FACTORY:
                return found
        except TypeError as error:
            raise Failure(f"{target} is not an application: {error}") from None
        _log.warning("%s takes no arguments, so it is called to get the application: say --factory", target)
    elif not callable(found):
        raise Failure(f"{target} is no factory: it is of type {_type_of(found)}, which cannot be called")
    try:
        app = found()
    except Exception as error:
        raise Failure(f"the factory {target} failed: {_name_error(error)}") from error
    if inspect.iscoroutine(app):
        app.close()
        raise Failure(f"the factory {target} is an async function: a factory is called before there is an event loop")
    try:
        interface = interface_of(app)
    except TypeError as error:
        gave = f"an object of type {_type_of(app)}"
        raise Failure(f"the factory {target} gave no application, but {gave}: {error}") from None
    if interface is Interface.FACTORY:
        raise Failure(f"the factory {target} gave no application, but another factory, of type {_type_of(app)}")
    return app


def _import(name: str, directory: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name
        if missing is not None and (missing == name or name.startswith(f"{missing}.")):
            raise Failure(
                f"there is no module {missing!r} in {directory.resolve()} or among the installed packages: "
                "check the name, or name its folder with --app-dir"
            ) from error
        if missing is None:
            raise _import_failed(name, error) from error
        raise Failure(
            f"the module {name!r} imports {missing!r}, which is not installed for {sys.executable} "
            f"({_place(error) or name}): install it, or check the name there"
        ) from error
    except (Exception, SystemExit) as error:  # a script without a __main__ guard may call sys.exit()
        raise _import_failed(name, error) from error


def _import_failed(name: str, error: BaseException) -> Failure:
    return Failure(
        f"the module {name!r} cannot be imported: {_name_error(error)}; "
        f'python -c "import {name}" in its folder shows the traceback'
    )


def _find(module: ModuleType, module_name: str, attribute: str) -> Any:
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = difflib.get_close_matches(part, _names(found), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "check the name after the colon"
            where = f" ({module.__file__})" if found is module and module.__file__ else ""
            owner = f"module {module_name!r}{where}" if found is module else f"{attribute.partition(f'.{part}')[0]!r}"
            raise Failure(f"the {owner} has no attribute {part!r}: {hint}") from None
    return found


def _names(owner: object) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("__")]


def _type_of(value: object) -> str:
    return type(value).__name__


def _name_error(error: BaseException) -> str:
    place = _place(error)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return one_line(f"{_type_of(error)}: {text}" if text else _type_of(error)) + (f" ({place})" if place else "")


def _place(error: BaseException) -> str | None:
    """Return file:line of the error: where a syntax error is, else the innermost frame."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    places = list(_frames(error))
    return places[-1] if places else None


def _frames(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        # Skip the frames of the import system and of this file.
        if not frame.filename.startswith("<frozen") and frame.filename not in (__file__, importlib.__file__):
            yield f"{frame.filename}:{frame.lineno}"
