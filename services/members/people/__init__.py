"""Members: registered, changed, found, blocked, merged and erased; their cards and slips."""
