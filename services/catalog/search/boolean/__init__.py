"""Boolean searches: a tree of clauses, which a partner's system sends instead of a text.

Such a search is strict: no spelling is corrected, no word is expanded, and all hits match the whole tree. Words are
compared as written, without case, diacritics and apostrophes (analysis.tokens); the modifier `stem` compares roots.
"""
