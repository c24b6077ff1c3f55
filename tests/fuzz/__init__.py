"""Bytes that nobody sane would send, for every decoder and for the server's doors; run long: `python -m tests.fuzz`."""
