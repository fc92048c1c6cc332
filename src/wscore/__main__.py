"""`python -m wscore` is the `wscore` command."""

from .cli import main

raise SystemExit(main())
