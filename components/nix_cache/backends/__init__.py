"""The storage services that a cache can be on: one folder each, listed by the registry."""
