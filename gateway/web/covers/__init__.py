"""Drawn covers and pictures of links."""
