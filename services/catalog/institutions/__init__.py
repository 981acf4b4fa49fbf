"""Institutions and their branches: what they say of themselves, from a file, from staff, and for other services."""
