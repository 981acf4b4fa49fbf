"""Institutions and their branches: descriptions from a file or from staff, and copies for other services."""
