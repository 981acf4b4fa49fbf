"""The accession register (buku induk) as files: CSV, XLSX and PDF, with the columns of a layout."""
