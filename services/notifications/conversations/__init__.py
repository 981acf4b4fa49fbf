"""Conversations by WhatsApp: automatic answers to known words, and answers of staff to other messages."""
