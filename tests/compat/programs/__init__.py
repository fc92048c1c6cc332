"""Other frameworks' programs as their documents print them: import lines changed, obvious slips mended, a last line."""

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKEND_SLEEPS = {"asyncio": "asyncio", "trio": "anyio"}
"""What a program's `import asyncio` and `asyncio.sleep` become: on trio it needs anyio's."""


@contextmanager
def program(name: str, backend: str) -> Iterator[types.ModuleType]:
    """Load a program as a module of its own, for as long as the block lasts."""
    source = (Path(__file__).parent / f"{name}.py").read_text().replace("asyncio", BACKEND_SLEEPS[backend])
    module = types.ModuleType(f"program_{name}_{backend}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, f"{name}.py", "exec"), vars(module))
        yield module
    finally:
        del sys.modules[module.__name__]
