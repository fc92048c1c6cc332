"""The application's side: pure ASGI, on any server."""

from ._routing import PathError, compile_path

__all__ = ["PathError", "compile_path"]
