"""What the bytes of Engine.IO and Socket.IO mean; knows no clock, no loop, no socket object and no chat."""

from typing import Any

Json = Any
"""A value that JSON can hold; in Socket.IO packets it may hold `bytes` too (binary attachments)."""

Frame = str | bytes
"""One encoded Engine.IO packet as a WebSocket message carries it: text, or the raw bytes of a binary message."""


class ProtocolError(Exception):
    """The peer broke the protocol. The text is for our log only: what the peer is told is a constant."""
