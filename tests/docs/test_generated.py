"""The generated pages are those that the code gives now."""

from docs import generate_lifecycle


def test_the_lifecycle_page_is_fresh():
    """The committed page is what the generator writes: else run `python docs/generate_lifecycle.py`."""
    assert generate_lifecycle.PAGE.read_text(encoding="utf-8") == generate_lifecycle.render()


def test_every_edge_of_the_table_is_drawn():
    """Each pair of states that some trigger joins is one edge of the diagram, and no other is drawn."""
    drawn = [line.partition(":")[0].strip() for line in generate_lifecycle.diagram() if "-->" in line]
    edges = {
        f"{state.name} --> {step.state.name}"
        for state, row in generate_lifecycle.TRANSITIONS.items()
        for step in row.values()
        if step.state is not state
    }
    assert sorted(drawn) == sorted({*edges, "[*] --> AWAITING_REQUEST", "CLOSED --> [*]"})


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
