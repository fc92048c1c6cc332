"""The HTTP side of handshakes (RFC 6455 4, RFC 9112): requests, responses, proxies, URIs."""
