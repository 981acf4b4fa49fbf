"""Measures search relevance: judged searches of the sample library on both engines."""
