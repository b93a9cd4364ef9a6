"""Dynamic resources. Module and class names are part of the state format, so they never change."""
