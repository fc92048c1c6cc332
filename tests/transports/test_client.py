"""A client's transport does what its core says, whatever happens and whenever; nothing is left when it is over."""

from __future__ import annotations

import pytest
from hypothesis import given

from wscore import Config

from .steps import at_length, briefly, chance, client_scripts, configs
from .world import Client, Step, play

LIBRARIES = ("asyncio", "trio")


@pytest.mark.parametrize("library", LIBRARIES)
@briefly
@given(config=configs, script=client_scripts, chance=chance)
def test_a_client_does_what_its_core_says(library: str, config: Config, script: list[Step], chance: object) -> None:
    """Bytes, messages, the end of the socket: the same as a bare core's, at the same moments."""
    play(Client(library, config), script)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a play with megabytes in it
@pytest.mark.parametrize("library", LIBRARIES)
@at_length
@given(config=configs, script=client_scripts, chance=chance)
def test_a_client_does_so_at_length(library: str, config: Config, script: list[Step], chance: object) -> None:
    """The same with many more examples, others each time."""
    play(Client(library, config), script)
