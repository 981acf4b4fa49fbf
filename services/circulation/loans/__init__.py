"""Loans: check-out, check-in, renewals, uses in the library, and lists of loans.

An act is one transaction: it locks copy and borrower, the copy first, reads, judges and writes
(docs/adr/0044-an-act-is-one-transaction.md).
"""
