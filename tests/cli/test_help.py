"""What `--help` says of defaults."""

from __future__ import annotations

import re

import pytest

from wscore._cli.main import main


@pytest.mark.parametrize("command", ["run", "connect", "demo"])
def test_a_default_is_told_where_it_says_something(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number or a name is; None, an empty list, an empty text and a flag that is off are not."""
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code in (0, None)
    shown = capsys.readouterr().out
    defaults = re.findall(r"(--\S+)[^\n]*\(default: ([^)]*)\)", shown)
    assert defaults
    assert not [each for each in defaults if each[1] in ("None", "[]", "", "False")]
    assert ("--proxy", "True") not in defaults
