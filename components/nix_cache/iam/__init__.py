"""Policy documents, their wildcards, and lifecycle rules: written, read and evaluated. Pure."""
