"""Browsing: lists of headings, titles and call numbers in order, around a term."""
