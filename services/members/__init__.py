"""Members: people of the library, their cards, staff and roles, clients of other systems, and sign-in."""
