"""The fuzz targets over their committed corpus, without atheris."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEDS = sorted((ROOT / "fuzz" / "corpus").glob("*/*"))
TARGETS = ("client", "connection", "frames", "head", "plain")


@pytest.fixture(autouse=True)
def _root_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}/{seed.name}")
def test_the_target_holds_for_the_seed(seed: Path) -> None:
    """I1, I2, I3, I4, I5, I6, I8, I9, I10: what a target promises holds for its whole corpus."""
    importlib.import_module(f"fuzz.{seed.parent.name}").check(seed.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_seeds_and_is_short(target: str) -> None:
    """A target is its invariant plus a few lines, and starts from a dozen seeds or more."""
    assert sum(seed.parent.name == target for seed in SEEDS) >= 12
    lines = (ROOT / "fuzz" / f"{target}.py").read_text().splitlines()
    assert lines[0].startswith("# Whatever ")
    assert len(lines) < 40


def test_the_targets_do_not_need_atheris() -> None:
    """Importing a target loads no atheris, so its corpus is tested on every Python."""
    for target in TARGETS:
        importlib.import_module(f"fuzz.{target}")
    assert "atheris" not in sys.modules


def test_the_corpus_is_what_its_script_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script writes the committed seeds; what else is there came from a finding and is named `found-...`."""
    script = importlib.import_module("fuzz.make_corpus")
    monkeypatch.setattr(script, "CORPUS", tmp_path)
    script.main()
    written = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.glob("*/*")}
    committed = {f"{seed.parent.name}/{seed.name}": seed.read_bytes() for seed in SEEDS}
    assert written == {name: seed for name, seed in committed.items() if "/found-" not in name}
