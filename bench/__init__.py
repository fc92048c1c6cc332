"""What websocket servers cost, compared in one run: see README.md, and run.py for the command."""
