"""Stored NARs: decompressed within limits of memory, and compared with their narinfos."""
