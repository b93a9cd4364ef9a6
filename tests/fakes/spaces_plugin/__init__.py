"""Fake of Pulumi's DigitalOcean plugin: the types that a cache on Spaces uses, for tests."""

FAKE = "the fake DigitalOcean plugin (tests/fakes/spaces_plugin)"
"""How every refusal names the plugin, so that no user takes it for the official one."""
