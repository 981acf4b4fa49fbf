"""Webhooks: events for partners' systems over HTTP, their subscriptions and their delivery."""
