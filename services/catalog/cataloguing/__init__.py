"""Records that cataloguers write: edits, versions and offers of imports."""
