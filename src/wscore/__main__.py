"""`python -m wscore` is the `wscore` command."""

from ._cli.main import main

raise SystemExit(main())
