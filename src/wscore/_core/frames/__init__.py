"""Frames (RFC 6455 5) and compression (RFC 7692): the engines and what they share."""
