"""Close codes under apistar's names, including its misspelling of 1007 (RFC 6455 7.4.1)."""

from typing import Final

WS_1000_OK: Final = 1000
WS_1001_LEAVING: Final = 1001
WS_1002_PROT_ERROR: Final = 1002
WS_1003_UNSUPPORTED_TYPE: Final = 1003
WS_1007_INVALID_DATA: Final = 1007
WS_1007_INALID_DATA: Final = WS_1007_INVALID_DATA
WS_1008_POLICY_VIOLATION: Final = 1008
WS_1009_TOO_BIG: Final = 1009
WS_1010_TLS_FAIL: Final = 1010  # apistar's name; RFC 6455: a required extension is missing
