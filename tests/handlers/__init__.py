"""Tests of where requests come in: the connection with fakes, pages and WebSocket over a loopback port."""
