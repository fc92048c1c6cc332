"""What the code says of itself is so: the map names every module, and who is the only importer of something is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import wscore

ROOT: Final = Path(__file__).parents[2]
SRC: Final = ROOT / "src"
PACKAGE: Final = SRC / "wscore"


# -- the map in wscore's docstring


def _mapped(indent: int) -> list[str]:
    """Return the names that the map has at an indentation; a folder ends in a slash."""
    lines = re.findall(rf"^ {{{indent}}}((?:\w+/?, )*\w+/?) ", wscore.__doc__ or "", re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def _existing(folder: Path) -> list[str]:
    """Return the modules and packages of a folder as the map writes them."""
    modules = [file.stem for file in folder.glob("*.py") if not file.stem.startswith("__")]
    return modules + [f"{file.parent.name}/" for file in folder.glob("*/__init__.py")]


@pytest.mark.parametrize(("indent", "folder"), [(4, PACKAGE), (8, PACKAGE / "_core")], ids=["wscore", "wscore._core"])
def test_the_map_names_every_module_once(indent: int, folder: Path) -> None:
    """The map has each module and folder of `wscore` and of `wscore._core`, once, and nothing that does not exist."""
    assert sorted(_mapped(indent)) == sorted(_existing(folder))


# -- who imports what


def _imports(file: Path) -> set[str]:
    """Return the top-level packages that a file imports, wherever in it, absolutely."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found


def _importers(library: str, below: Path) -> set[str]:
    """Return the files that import a library, relative to `wscore`."""
    return {file.relative_to(PACKAGE).as_posix() for file in below.rglob("*.py") if library in _imports(file)}


CLAIM: Final = re.compile(
    r"(?P<core>in the core,? )?the only (?:importer of|(?:file|module)(?P<here> here)? that (?:imports|knows)) "
    r"`?(?P<library>(?!an?\b)\w+)",
    re.IGNORECASE,
)
ROW: Final = re.compile(r"^\|(?P<row>.*)[Ii]mported by (?P<files>`[^|]*?) alone", re.MULTILINE)


def _claims() -> Iterator[tuple[str, str, Path, set[str]]]:
    """Yield every claim: where it stands, the library, where it holds, and the files that are to import it."""
    for file in sorted(SRC.rglob("*.py")):
        for claim in CLAIM.finditer(re.sub(r"\s+", " ", ast.get_docstring(ast.parse(file.read_text())) or "")):
            where = PACKAGE / "_core" if claim["core"] else file.parent if claim["here"] else PACKAGE
            yield file.relative_to(ROOT).as_posix(), claim["library"], where, {file.relative_to(PACKAGE).as_posix()}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for row in ROW.finditer(page.read_text()):
            library = re.findall(r"`(\w+)`", row["row"].partition("|")[0] or row["row"])
            if row["row"].count("|") > 1 and (second := re.findall(r"`(\w+)`", row["row"].split("|")[1])):
                library = second  # a table of extras: the name of the extra stands before that of the library
            files = set(re.findall(r"`([\w/]+\.py)`", row["files"]))
            yield page.relative_to(ROOT).as_posix(), library[0], PACKAGE, files


CLAIMS: Final = list(_claims())


@pytest.mark.parametrize(
    ("library", "below", "files"), [claim[1:] for claim in CLAIMS], ids=[f"{claim[0]}-{claim[1]}" for claim in CLAIMS]
)
def test_an_only_importer_is_the_only_one(library: str, below: Path, files: set[str]) -> None:
    """Where code or documentation says which files alone import a library, no other does, and they do."""
    assert _importers(library, below) == files


def test_the_claims_are_found() -> None:
    """The list above is not empty by mistake: it has claims of the code and of the page on dependencies."""
    assert {"src/wscore/_core/frames/wsproto.py", "docs/explanation/dependencies.md"} <= {claim[0] for claim in CLAIMS}
