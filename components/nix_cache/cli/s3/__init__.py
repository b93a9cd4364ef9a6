"""Storage that speaks S3: connections, limits, credentials, requests and what errors mean."""
