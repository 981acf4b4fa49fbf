"""Members from files of earlier systems and of schools: CSV and Excel."""
