"""Room relays on other servers, with what their authors recommend and all else as it comes."""

BACKLOG = 4096
"""Connections that may wait to be accepted: enough for a storm, so that the kernel turns nobody away for a while."""
