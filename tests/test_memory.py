"""The process gives back what it no longer needs, when nothing happens and not before."""

import json
import subprocess
import sys

from tests.programs import ROOT

SCRIPT = """
import gc, json, os
from memory import FEW, IDLE_SECONDS, Keeper
from tests.fakes import FakeClock

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

clock = FakeClock()
keeper = Keeper(clock)
seen = {"frozen": gc.get_freeze_count(), "base": resident()}
held = [bytearray(2_000) for _ in range(50_000)]
last = bytearray(2_000)  # lies behind them, so that the heap cannot simply be cut
clock.advance(2 * IDLE_SECONDS)
seen["held"] = resident()
del held
busy = [[number] for number in range(5_000)]
clock.advance(IDLE_SECONDS)
seen["busy"] = resident()
clock.advance(IDLE_SECONDS)
seen["idle"] = resident()

class Circle:
    def __init__(self):
        self.itself = self

gone = []
class Watched(Circle):
    def __del__(self):
        gone.append(1)

for _ in range(2_500):
    Watched()
seen["left"] = 2_500 - len(gone)
clock.advance(2 * IDLE_SECONDS)
seen["collected"] = len(gone)

def old_circles_left():
    # Ten, after much has become free, and when nothing happens.
    held, circles = [bytearray(10) for _ in range(20_000)], [Watched() for _ in range(10)]
    gc.collect()  # they are old now
    clock.advance(2 * IDLE_SECONDS)
    before = len(gone)
    del held, circles
    clock.advance(2 * IDLE_SECONDS)
    return 10 - (len(gone) - before)

seen["old"] = old_circles_left()
crowd = [[number] for number in range(2 * FEW)]
seen["old in a crowd"] = old_circles_left()
keeper.close()
seen["timers"] = clock.pending
print(json.dumps(seen))
"""


def test_what_is_free_goes_back_when_nothing_happens() -> None:
    """In a process of its own: what the collector is told counts for all of it."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    seen = json.loads(run.stdout)
    assert seen["frozen"] > 1_000
    assert seen["held"] > seen["base"] + 90_000_000
    assert seen["busy"] > seen["base"] + 90_000_000
    assert seen["idle"] < seen["base"] + 10_000_000
    assert seen["left"] == 2_500
    assert seen["collected"] == 2_500
    assert seen["old"] == 0
    assert seen["old in a crowd"] == 10, "it would take too long to look for them"
    assert seen["timers"] == 0
