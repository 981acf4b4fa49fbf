"""Looks for an ISBN here, at other institutions of the catalogue, and in outside sources, for a copy of the record."""
