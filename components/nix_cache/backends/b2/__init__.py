"""Everything about Backblaze B2, and nothing about it elsewhere."""
