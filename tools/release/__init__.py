"""Releases of the package: what no build tool checks, and the list of what a release brings."""
