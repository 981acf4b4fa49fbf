"""Revisions of the tables of circulation."""
