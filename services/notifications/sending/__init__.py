"""Sending: waiting notices are folded, rendered and handed over; each attempt has a row before the hand-over."""
