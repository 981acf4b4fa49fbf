"""Loans: check-out, check-in, renewals, uses in the library, and lists of loans.

An act reads facts and judges them outside the write turn. Within the turn it writes with guards, which are the versions
of copy and borrower that it has read. When a guard misses, another act was first. Then the act is judged again and
written with both rows locked, the copy first (docs/adr/0031-lending-in-one-short-turn.md).
"""
