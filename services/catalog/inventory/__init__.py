"""Items between imports: copies for other services, what circulation says, edits, and items that a desk adds."""
