"""Several nodes over one Redis, all of them real processes, and what befalls them; what must hold then."""
