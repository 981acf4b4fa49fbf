"""Loans: check-out, check-in, renewals, reading here, and lists of loans.

An act has three steps. It reads the facts and judges them outside the write turn; in the turn it writes with guards:
the versions of copy and borrower that it has read. When a guard misses, another act was first, so the act is judged
again and written with both rows locked, the copy first (docs/adr/0031-lending-in-one-short-turn.md).
"""
