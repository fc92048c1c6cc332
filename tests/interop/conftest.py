"""The conformance suite's fixtures, for clients and applications that others wrote."""

from ..conformance.conftest import errors, pytest_generate_tests, serve, transport

__all__ = ["errors", "pytest_generate_tests", "serve", "transport"]
