"""Tests that measure how long a person waits: nothing else runs beside them."""
