"""MARC 21: records, the formats they are read from and written to, and what may be wrong with them."""
