"""The page on conformance cases is what its script writes, and says of Autobahn what is so."""

from __future__ import annotations

import pytest
from docs import generate_conformance

from wscore.conformance.cases import CASES


def test_the_page_is_fresh() -> None:
    """The committed page is what the generator writes: else run `python docs/generate_conformance.py`."""
    assert generate_conformance.PAGE.read_text(encoding="utf-8") == generate_conformance.render()


def test_every_family_is_on_the_page() -> None:
    """No case is left out."""
    assert {case.family for case in CASES} == set(generate_conformance.FAMILIES)


def test_all_of_autobahn_is_on_the_page() -> None:
    """The groups of Autobahn's cases are all of them, and each pattern beside them matches a case."""
    assert sum(count for _, count, _, _ in generate_conformance.AUTOBAHN) == 517
    for _, _, _, patterns in generate_conformance.AUTOBAHN:
        assert all(generate_conformance.matching(pattern) for pattern in patterns.split()), patterns


@pytest.mark.parametrize("fresh", [True, False])
def test_check_tells_a_stale_page(tmp_path, monkeypatch, fresh: bool) -> None:
    """With `--check` the generator writes nothing, and its exit status says whether the page is fresh."""
    page = tmp_path / "page.md"
    page.write_text(generate_conformance.render() if fresh else "old", encoding="utf-8")
    monkeypatch.setattr(generate_conformance, "PAGE", page)
    assert generate_conformance.main(["--check"]) == (0 if fresh else 1)
