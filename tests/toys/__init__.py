"""Two small services of the tests' own: what one tells, the other acts upon."""
