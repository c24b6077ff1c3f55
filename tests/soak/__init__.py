"""Endurance: people come and go, lines break, for minutes or hours; what must hold then."""
