"""Sending: what waits is folded, rendered and handed over; each attempt has its row before it goes."""
