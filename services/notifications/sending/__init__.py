"""Sending: waiting notices are grouped, rendered and handed over. Each attempt has a row before the hand-over."""
