"""Tests of the bench: that it notices every fault, and that its arithmetic holds. What is fast is not tested here."""
