"""Every weight of the search, with its reason.

A word is required once, by its root anywhere in the record (`any`), which is the cheapest search; how often the root
occurs there depends on the fields that have it. Bonuses are added. Sums, not the best of several: for sums an index
skips from hit to hit, for a best-of it reads every record that has any of the words. BM25
of a rare word is about 8 to 12, of a common one 2 to 4; weights multiply that, constants add to it.
"""

from __future__ import annotations

# A word, in any form, in any field. How often its root occurs in `any` (STANDING of record.index_document) is the
# weight of the field: title and author 4, subject 2, notes 1, and 1 more where the word is the root itself. BM25
# turns 1, 2, 4, 5 into about 0.45, 0.63, 0.77, 0.81 of the word's rarity.
# Measured on the tuning half: 3, 3, 2 and 4, 4, 3 gain 0.001 of nDCG@10 in all, by five and four searches of 166 that
# move, and let a word as a subject outrank an author called so. With 6, 6, 2 success@1 falls from 0.988 to 0.963.
ANYWHERE = 3.0
# The word as typed, where that is not its root: above its other forms and spellings; by field, "" for anywhere.
AS_TYPED = {"": 0.7, "title": 1.2, "author": 1.0, "subject": 0.7}
# The last word of a field may still be being typed. A constant, below any whole word: finding, not ranking.
BEGUN = {"title": 1.2, "author": 1.0, "subject": 0.5}
PREFIX_LENGTH = 3  # characters; what is shorter begins half of all words
# Of matches where one will do (a form or a beginning) the best decides and the others help a little.
TIE = 0.1
# A title that is the query (subtitle or not), one that has its words side by side, an author who is called so: added to
# what the words score. The second walks through positions, so it is done for titles only; the others are looked up.
WHOLE_TITLE, TITLE_HAS, WHOLE_NAME = 12.0, 4.0, 6.0
# Words in quotes, found anywhere, and by field; somebody asked for just this.
PHRASE = 1.0
PHRASE_IN = {"title": 6.0, "author": 5.0, "subject": 3.0}
# A barcode, an ISSN or a call number names one thing: above anything that words can reach.
IDENTIFIER = 60.0
# A word too common to decide anything helps the order a little, and never excludes.
COMMON = 0.1
