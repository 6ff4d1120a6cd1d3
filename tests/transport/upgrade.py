"""A request for a WebSocket, and the response that accepts it."""

import base64
import hashlib
import re

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: mosaic\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mosaic2025\r\n\r\n"
)


def accepting(request: bytes) -> bytes:
    """The response that accepts a request."""
    found = re.search(rb"(?i)sec-websocket-key: *(\S+)\r\n", request)
    assert found is not None, request
    digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n"
        b"Sec-WebSocket-Protocol: mosaic2025\r\n\r\n"
    )
