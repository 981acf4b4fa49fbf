"""Institutions and their branches: their descriptions, by a file or by staff, and copies for other services."""
