"""Ranking: build.py turns a query into a match tree, with the weights of weights.py."""
