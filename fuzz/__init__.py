"""Fuzz targets. Each is a function of bytes that raises when its invariant is broken; see README.md."""
