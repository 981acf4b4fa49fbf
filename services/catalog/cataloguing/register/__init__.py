"""The accession register (buku induk): its entries, their corrections, and numbers of items that imports brought."""
