"""`wscore run` with `--workers` or `--reload`: a process that starts others."""
