"""Attacks on a real server while two honest people talk: nobody but the attacker notices."""
