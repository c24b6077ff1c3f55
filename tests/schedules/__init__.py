"""Whole schedules of bad lines, slow readers and restarts, played with a clock in hand against the real server side."""
