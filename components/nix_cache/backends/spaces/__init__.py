"""Everything about DigitalOcean Spaces, and nothing about it elsewhere."""
