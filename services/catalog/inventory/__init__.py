"""Items between imports: copies for other services, states from circulation, edits, and items that a desk adds."""
