"""SRU 1.1, 1.2 and 2.0 (/sru): searches, explanations and scans for library systems, with queries in CQL 1.2."""

from gateway.partners.sru.routes import router

__all__ = ["router"]
