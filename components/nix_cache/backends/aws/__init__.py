"""Everything about AWS S3, and nothing about it elsewhere."""
