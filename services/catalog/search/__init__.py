"""Finding records: a text in, hits out. One request to the index, one SELECT of the brief records."""
