"""Fake of Pulumi's DigitalOcean plugin: the types that a cache on Spaces uses, for tests."""

FAKE = "the fake DigitalOcean plugin (tests/fakes/spaces_plugin)"
"""How every refusal names the plugin, so that nobody takes it for the official one."""
