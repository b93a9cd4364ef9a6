"""Stand-in for Pulumi's DigitalOcean plugin: the types that a cache on Spaces uses, for tests."""

STAND_IN = "the stand-in DigitalOcean plugin (tests/fakes/digitalocean_plugin)"
"""How every refusal names the plugin, so that nobody takes it for the official one."""
