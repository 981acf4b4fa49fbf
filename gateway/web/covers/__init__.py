"""Drawn covers, and preview images for links."""
