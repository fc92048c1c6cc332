"""The generated pages are those that the code gives now."""

import pytest
from docs import generate_lifecycle

from wscore._core.lifecycle import CLIENT_TRANSITIONS, SERVER_TRANSITIONS


def test_the_lifecycle_page_is_fresh():
    """The committed page is what the generator writes: else run `python docs/generate_lifecycle.py`."""
    assert generate_lifecycle.PAGE.read_text(encoding="utf-8") == generate_lifecycle.render()


@pytest.mark.parametrize(
    ("table", "first"), [(SERVER_TRANSITIONS, "AWAITING_REQUEST"), (CLIENT_TRANSITIONS, "AWAITING_RESPONSE")]
)
def test_every_edge_of_the_table_is_drawn(table, first):
    """Each pair of states that some trigger joins is one edge of the diagram, and no other is drawn."""
    drawn = [line.partition(":")[0].strip() for line in generate_lifecycle.diagram(table) if "-->" in line]
    edges = {
        f"{state.name} --> {step.state.name}"
        for state, row in table.items()
        for step in row.values()
        if step.state is not state
    }
    assert sorted(drawn) == sorted({*edges, f"[*] --> {first}", "CLOSED --> [*]"})


def test_check_tells_a_stale_page(tmp_path, monkeypatch):
    """With `--check` the generator writes nothing, and its exit status says whether the page is fresh."""
    page = tmp_path / "reference" / "lifecycle.md"
    monkeypatch.setattr(generate_lifecycle, "PAGE", page)
    assert generate_lifecycle.main(["--check"]) == 1
    assert not page.exists()
    assert generate_lifecycle.main([]) == 0
    assert generate_lifecycle.main(["--check"]) == 0
    page.write_text("stale", encoding="utf-8")
    assert generate_lifecycle.main(["--check"]) == 1
