"""What the tests of clients share with those of handlers."""

from tests.loops import no_loop_but_our_own

__all__ = ["no_loop_but_our_own"]
