"""A query becomes what the index is asked: matches.py says what can be asked, weights.py what counts, asking.py how."""
