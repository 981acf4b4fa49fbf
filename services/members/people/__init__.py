"""Members: registration, changes, search, blocks, merges and erasure; their cards and password codes."""
