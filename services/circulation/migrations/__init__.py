"""The revisions of circulation's tables."""
