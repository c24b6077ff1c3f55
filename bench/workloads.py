"""What is measured: how many sit where and who says how much. Starts nothing."""

from dataclasses import dataclass

from bench.generator import Shape


@dataclass(frozen=True, slots=True)
class Closed:
    """Every sender keeps so many messages on their way; a message is on its way until all of its room have it."""

    shape: Shape
    in_flight: int


CLOSED = {
    "W1": Closed(Shape(1, 100, senders=1), 1),
    "W2": Closed(Shape(1, 1000, senders=10), 4),
    "W3": Closed(Shape(200, 5), 1),
}
W4 = Shape(1000, 5)
W4_LARGE = Shape(3960, 5)
"""As many as fit below a hard limit of 20,000 open files, which is a common one."""
W6 = Shape(100, 10)
"""Open loop: messages are due at random times; the honest capacity is the highest rate with p99 below LIMIT_MS."""
LIMIT_MS = 50.0
"""Of all deliveries that were due in the measured time."""
STORM = Shape(1000, 10)
