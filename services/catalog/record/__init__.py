"""What a MARC record says: to the index (Document), to readers (brief, display, holdings), to the shelves (items)."""
