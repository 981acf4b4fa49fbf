"""Notices to members about loans and memberships, the channels that send them, and the outcome of each."""
