"""Caches as this machine uses them: sources, records and checks of what a manifest says."""
