"""`wscore run` with `--workers` or `--reload`: a supervisor process that runs worker processes."""
