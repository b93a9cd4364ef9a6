"""Paths in the states of version 0.1.0, which stay importable for good. Nothing else is here."""
