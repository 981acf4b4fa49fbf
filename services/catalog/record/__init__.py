"""Data derived from a MARC record: the index document, the brief record, the full display and the record page."""
