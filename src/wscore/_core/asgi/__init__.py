"""ASGI: its messages, its lifespan, its tls extension, and the applications that speak it."""
