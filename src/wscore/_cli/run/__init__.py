"""`wscore run`."""
