"""REST /api/v1: one file a noun, each with its schema, route and mapping."""
