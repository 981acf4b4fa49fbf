"""Revisions of the chassis' own tables, applied to every service's database before the service's own."""
