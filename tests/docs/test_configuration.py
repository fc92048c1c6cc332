"""The page on configuration is what its script writes."""

import dataclasses
import runpy
from pathlib import Path

import pytest

from wscore import Config

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_on_configuration_is_not_stale() -> None:
    """docs/reference/configuration.md says what Config and the command line say; run docs/generate_configuration.py."""
    pytest.importorskip("wscore._cli.main")
    script = runpy.run_path(str(DOCS / "generate_configuration.py"))
    assert (DOCS / "reference" / "configuration.md").read_text() == script["page"]()


def test_every_field_is_on_the_page() -> None:
    """No limit and no timeout is left out."""
    page = (DOCS / "reference" / "configuration.md").read_text()
    assert [field.name for field in dataclasses.fields(Config) if f"**`{field.name}: " not in page] == []
