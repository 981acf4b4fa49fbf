"""Pages for readers: home, results, records, works, lists and branches."""
