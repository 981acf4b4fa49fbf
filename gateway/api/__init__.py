"""REST /api/v1: one module per noun, with its models, routes and conversions."""
