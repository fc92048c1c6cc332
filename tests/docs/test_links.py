"""Every link of the documentation leads somewhere, and every page is near the README."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FIRST: Final = ROOT / "README.md"
PAGES: Final = [FIRST, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def _links(page: Path) -> list[tuple[Path, str]]:
    """Return the file and the anchor that each relative link of a page leads to."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    parts = [target.partition("#") for target in targets]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in parts]


@cache
def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """The file of each relative link exists, and has the heading that the link names."""
    for file, anchor in _links(page):
        assert file.exists(), file
        assert not anchor or anchor in _anchors(file), f"{file.name}#{anchor}"


def test_every_page_is_three_clicks_from_the_readme() -> None:
    """Following links from README.md, each page of docs/ is reached with at most three."""
    reached, at = {FIRST}, {FIRST}
    for _ in range(3):
        at = {file for page in at for file, _ in _links(page) if file.suffix == ".md" and file.exists()} - reached
        reached |= at
    assert set(PAGES) - reached == set()
