"""Conversations: what people write to the library by WhatsApp, answered by words or handed to staff."""
