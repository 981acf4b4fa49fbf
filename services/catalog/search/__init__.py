"""Search: one request to the index, then one SELECT of the brief records."""
