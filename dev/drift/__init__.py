"""What was changed outside: found without writing anything, and told in the cache's words."""
