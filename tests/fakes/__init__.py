"""Doubles of what tests cannot have: services, and a backend that is none."""
