"""Pages for readers: home, results, records, works, lists and branches."""

from __future__ import annotations

from gateway.web.site import branches, browse, classes, filters, home, marcview, neighbours, record, results, works

MODULES = (home, results, filters, marcview, neighbours, record, works, branches, browse, classes)
