"""Channels that carry notices to people: one port, an adapter for each kind, chosen by URL."""
