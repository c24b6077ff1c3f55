"""What the chat means: rooms, members and messages that the server relays and cannot read; knows no Tornado."""
