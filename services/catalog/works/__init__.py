"""Works: groups the editions of a work, when records are added, changed and deleted."""
