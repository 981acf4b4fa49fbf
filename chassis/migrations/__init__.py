"""Revisions of the chassis' tables. They run in every service's database before the revisions of the service."""
