"""The query language: every text parses to a Query, and str() of a Query is text of the same meaning.

    query   = all { ("OR" | "ATAU" | "|") all }         adjacent words bind stronger than OR
    all     = { ["-"] part }                            every part; none of those after -
    part    = "(" query ")" | field ":" value | '"' words '"' | word | word "*" | years | isbn
    value   = word | '"' words '"' | "(" query ")"      fields of words: title, author, subject, series, publisher
            | number                                    isbn, issn, barcode, call, control
            | year or years                             year:1990, 1990..2000, 1990.., ..2000, 1990-2000
            | class or classes                          class:297, class:8, class:800..899, class:2X4.1
            | name or code                              language, format, audience, collection

Every field has Indonesian names too (fields.py). What does not parse (an OR without operand, unmatched brackets, an
invalid year) is read as plain words, and `Query.read_as_words` is set. An ISBN is recognised by its check digit, with
any spacing; ten digits may also be a barcode, so they are looked up as both.
"""
