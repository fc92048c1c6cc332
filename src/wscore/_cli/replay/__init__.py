"""`wscore replay`."""
