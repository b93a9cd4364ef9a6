"""What a machine needs that cannot reach Pulumi's download servers. See README.md beside this."""
