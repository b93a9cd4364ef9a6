"""The formats of a binary cache's objects. Pure."""
