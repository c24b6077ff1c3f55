"""Attacks on the page: by the server, and by somebody who knows the room's name."""
