"""Several nodes of one site over a real Redis."""
