"""Everything about storage services with an S3 API and no backend of their own."""
