"""Two small services for the tests of the chassis: each handles what the other emits."""
