"""Templates of notices: the texts for each kind, channel, language and institution."""
