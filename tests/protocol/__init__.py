"""Tests of the pure layer: bytes in, values out, time as plain numbers."""
