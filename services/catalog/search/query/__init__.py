"""What people type, as a tree: text → Query, never an error; and back, so that we can say what we understood.

    query   = all { ("OR" | "ATAU" | "|") all }         words side by side belong together, before OR parts them
    all     = { ["-"] part }                            every part; none of those after -
    part    = "(" query ")" | field ":" value | '"' words '"' | word | word "*" | years | isbn
    value   = word | '"' words '"' | "(" query ")"      fields of words: title, author, subject, series, publisher
            | number                                    isbn, issn, barcode, call, control
            | year or years                             year:1990, 1990..2000, 1990.., ..2000, 1990-2000
            | class or classes                          class:297, class:8, class:800..899, class:2X4.1
            | name or code                              language, format, audience, collection

Every field has its Indonesian names, too (fields.py). What cannot be read (an OR with nothing beside it, brackets that
do not pair, a year that is no year) is taken as plain words, and `Query.read_as_words` says so. An ISBN is known by its
check digit, however it is spaced; ten digits may be a barcode by chance, and are looked up as both.
"""
