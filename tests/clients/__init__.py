"""The official clients of others, unmodified, against a real server process."""
