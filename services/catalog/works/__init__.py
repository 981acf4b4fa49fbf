"""Collocating: bringing the editions of a work together, as records come, change and go."""
