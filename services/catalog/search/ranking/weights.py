"""Every weight of the search, with its reason.

A query requires the root of each of its words once, anywhere in the record (field `any`), because that is the cheapest
search. How often the root is in `any` depends on the fields that have the word. Bonuses are added to the score, because
an index can skip hits for a sum; for the best of several bonuses it reads every record that has any of the words. BM25
of a rare word is about 8 to 12, of a common word 2 to 4; weights multiply BM25, and constants are added to it.
"""

from __future__ import annotations

# A word in any form in any field. The number of times that its root occurs in `any` (ROOT_COUNTS of
# record.index_document) is the weight of the field: title and author 4, subject 2, notes 1, and 1 more where the word
# is the root itself. BM25 turns 1, 2, 4, 5 into about 0.45, 0.63, 0.77, 0.81 of the word's rarity.
# Measured on the tuning half: counts of 3, 3, 2 and 4, 4, 3 gain 0.001 of nDCG@10, because five and four of 166
# searches change, but then a word in a subject outranks an author of that name. With 6, 6, 2 success@1 falls from 0.988
# to 0.963.
ANYWHERE = 3.0
# A variant of the typed word (komputer, computer): below every form of the typed word.
VARIANT = 1.5
# The word as typed, where it is not its own root: ranks above its other forms. By field; "" for any field.
AS_TYPED = {"": 0.7, "title": 1.2, "author": 1.0, "subject": 0.7}
# The last word of a field, which the reader may still be typing. A constant, lower than the score of any whole word.
BEGINNING = {"title": 1.2, "author": 1.0, "subject": 0.5}
PREFIX_LENGTH = 3  # characters; a shorter beginning matches half of all words
# Where one match is enough (a form or a beginning), the best counts, plus this share of the others.
TIE = 0.1
# Added to the scores of the words: for a title that is the whole query (with or without subtitle), for a title that
# has the words side by side, and for an author whose name is the query. TITLE_HAS reads positions, so it is for titles
# only; the other two are look-ups.
WHOLE_TITLE, TITLE_HAS, WHOLE_NAME = 12.0, 4.0, 6.0
# Words in quotes, in any field, and by field.
PHRASE = 1.0
PHRASE_IN = {"title": 6.0, "author": 5.0, "subject": 3.0}
# A barcode, an ISSN or a call number identifies one record: ranks above every score of words.
IDENTIFIER = 60.0
# A stop word changes the order a little, and never excludes a record.
COMMON = 0.1
# A light word that is not a stop word (cara, suka, mencari) may be in the title that a reader looks for.
LIGHT = 0.5
# Hits with a part of the words rank below those with all words: their scores are multiplied by PARTLY, and ALL_WORDS is
# added to the scores of the others. Both are small, because an engine's scores have seven digits.
PARTLY, ALL_WORDS = 0.1, 50.0
# For hits with a part of the words, before PARTLY: the weight of a related word (BM25); a constant for records of a
# class that has words of the query, and one for records with exactly the number of a broader class. A constant counts
# for each such word, and is multiplied by WHOLE_QUERY when these are all the words of the query. Classes had 16 and 8
# until words of readers came; with them, 12 is better in five of eight sets.
TRANSLATED = 2.2
OF_CLASS, OF_BROADER_CLASS, WHOLE_QUERY = 12.0, 6.0, 1.4
# For hits with a part of the words: the weight of a word as typed (BM25), where it is not its own root: `pemasaran`
# comes before `pasar`; and a constant for each word that a hit has, so that two common words come before a rare one.
# Measured on 2026-11-28 on the tuning half, the fifth set and half of the sixth: 0.7 gains or does not change each of
# them. The constant was 2 until words of readers came; with them, 3 gains in the judged sets whose hits are all judged.
PARTLY_AS_TYPED, EACH_WORD = 0.7, 3.0
# For hits with a part of the words: the weight of a word that readers use for a story or another work, and for one of
# its subjects, which says less. It multiplies the rarity of the word. Measured on 2026-11-28 on all sets. With 6 for
# stories, a novel comes before the textbook for `quantum physics`.
OF_READERS = {"story:": 5.0, "work:": 6.0, "subject:": 1.5}
# A class with few records has up to MOST_RARITY times that constant. USUAL_RARITY is the rarity of a class with the
# constant itself: the logarithm of records per record of the class, as a share of the logarithm of all records.
USUAL_RARITY, MOST_RARITY = 0.57, 1.4
# A small constant, for each word of the query, for records of a class that has all the words: among hits with all the
# words, a book about birds comes before a novel with a bird in its title. Measured on the tuning half: 1, 2 and 4 raise
# nDCG@10 of subjects by 0.012, 0.017 and 0.020.
IN_CLASS = 2.0
# A constant for records of the audience that the query asks for (anak: children), and its factor for hits with a part
# of the words. Measured on the tuning half and the third set on 2026-11-27.
FOR_AUDIENCE, OF_AUDIENCE = 1.5, 4.0
# Constants for records of the kind (fiction, facts) and in the language that the query asks for; and the weight (BM25)
# of a light word for stories in a subject heading: for `cerpen aa navis`, short stories come before novels.
OF_KIND, IN_LANGUAGE, OF_FORM = 14.0, 8.0, 1.0
# For hits with a part of the words: WEAK multiplies the weight of a weak word (cerita, novel). Of the matches for one
# word (the word, related words, its class) the best counts, plus PARTLY_TIE of the others. Measured on the tuning half
# and the third set on 2026-11-27.
WEAK, PARTLY_TIE = 0.4, 0.3
# For hits with a part of the words: the weight of a word in a subject heading, as a share of its weight anywhere, added
# to that, because one word of a long question is often in the title of a novel by chance. Measured on 2026-11-28 on
# halves of the tuning half and the fifth set: 0, 0.33 and 0.67 gain in all four, more gains in some only.
IN_SUBJECT = 0.67
# Constants for a number in a query that is the record's year or class: less than the number in its text.
OF_YEAR, OF_NUMBER = 1.5, 3.0
# A subject heading that equals a query of two words or more. Measured on the tuning half: 0, 2 and 7 lower nDCG@10 of
# subjects by 0.009, 0.001 and 0.001.
WHOLE_SUBJECT = 4.0
