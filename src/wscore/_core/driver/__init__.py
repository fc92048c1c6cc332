"""Drivers: everything that a transport does for its connection's core, except waiting."""
