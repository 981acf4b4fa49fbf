"""MARC 21: records, the formats for reading and writing them, and their possible faults."""
