"""How hard property tests try: enough to find, few enough that the pure tests stay within about a second."""

from hypothesis import settings

quick = settings(max_examples=50, deadline=None)  # a deadline would measure the machine, not the code
