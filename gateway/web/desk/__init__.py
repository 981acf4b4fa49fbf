"""Pages for staff: the desk, members, notices, rules, libraries, staff and programs."""
