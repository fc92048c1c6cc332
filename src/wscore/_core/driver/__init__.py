"""What a transport owes its connection's core, all but the waiting."""
