"""Labels of items: sheets, prints, ranges of barcodes, and their PDF."""
