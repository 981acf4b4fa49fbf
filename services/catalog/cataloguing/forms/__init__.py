"""The form and the text in which cataloguers edit a record: two views of one record, which both give it back."""
