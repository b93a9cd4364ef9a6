"""Releases of the package: what has to agree, how they are built, and what is checked before."""
