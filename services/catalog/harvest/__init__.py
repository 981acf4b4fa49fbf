"""The changes of records in the order of their commits, for harvesters: numbers, sets, and pages of changes."""
