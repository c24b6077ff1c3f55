"""Knows nothing: it makes the tests a package, so that they may import each other's helpers."""
