"""Small services for the tests of the chassis: stock and orders handle each other's events."""
