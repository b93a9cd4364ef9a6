"""A bucket as its owner or janitor sees it: complete listings, narinfos, deletion."""
