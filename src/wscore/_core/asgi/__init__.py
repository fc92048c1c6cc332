"""ASGI: messages, lifespan, the tls extension, and the interfaces and failures of applications."""
