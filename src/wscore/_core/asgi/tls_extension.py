"""The content of ASGI's tls extension (0.2), read from a Python TLS object. Does not import ssl."""

from __future__ import annotations

import base64
from typing import Any, Final, Protocol

__all__ = ["TLSObject", "tls_extension"]

# RFC 8446 4.2.1 and its predecessors.
_VERSIONS: Final = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

# RFC 4514 3 for the attributes it names; others keep Python's names.
_ATTRIBUTES: Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


class TLSObject(Protocol):
    """The methods used of an `ssl.SSLObject`, an `ssl.SSLSocket` or a `trio.SSLStream`."""

    def version(self) -> str | None: ...
    def cipher(self) -> tuple[str, str, int] | None: ...
    def getpeercert(self, binary_form: bool, /) -> Any: ...
    @property
    def context(self) -> Any: ...


def tls_extension(tls: TLSObject) -> dict[str, Any]:
    """Build `scope["extensions"]["tls"]` (ASGI tls extension 0.2).

    Args:
        tls: An `ssl.SSLObject`, an `ssl.SSLSocket` or a `trio.SSLStream`, with its handshake complete.

    Returns:
        The extension's fields. `server_cert` is None, since Python's ssl does not reveal the server's own certificate.
        `client_cert_chain` has only the first certificate of the client's chain, and only if it was verified.
    """
    der: bytes | None = tls.getpeercert(True)
    certificate: dict[str, Any] = tls.getpeercert(False) or {}
    cipher = tls.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": [_pem(der)] if der else [],
        "client_cert_name": _name(certificate.get("subject", ())) if der else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(tls.version() or ""),
        "cipher_suite": _suite(tls.context, cipher[0]) if cipher else None,
    }


def _pem(der: bytes) -> str:
    lines = base64.encodebytes(der).decode().replace("\n", "")
    body = "\n".join(lines[i : i + 64] for i in range(0, len(lines), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def _name(subject: tuple[tuple[tuple[str, str], ...], ...]) -> str | None:
    """Format a distinguished name as in RFC 4514 2.1: the last part first."""
    parts = ["+".join(f"{_ATTRIBUTES.get(key, key)}={_escaped(value)}" for key, value in rdn) for rdn in subject]
    return ",".join(reversed(parts)) or None


def _escaped(value: str) -> str:
    escaped = "".join(f"\\{char}" if char in '",+;<>\\' else "\\00" if char == "\0" else char for char in value)
    if escaped.startswith((" ", "#")):
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if escaped.endswith(" ") and len(value) > 1 else escaped


def _suite(context: Any, name: str) -> int | None:
    """Return the cipher suite's two-byte IANA number: the low half of OpenSSL's id."""
    return next((cipher["id"] & 0xFFFF for cipher in context.get_ciphers() if cipher["name"] == name), None)
