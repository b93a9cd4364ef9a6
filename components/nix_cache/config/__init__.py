"""From what users write to checked settings. Pure: imports no Pulumi and no provider."""
