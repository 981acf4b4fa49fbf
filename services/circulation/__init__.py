"""Lending: copies and borrowers, loans, and the rules and calendars that decide them."""
