"""Templates of notices: what a member reads, for each kind, channel, language and institution."""
