"""Channels that send notices to people: one port, and one adapter for each kind of channel, chosen by URL."""
