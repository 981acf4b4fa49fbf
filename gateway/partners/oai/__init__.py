"""OAI-PMH 2.0: records in order of their changes, for harvesters."""
