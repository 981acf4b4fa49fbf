"""`python tests/clients/oai_harvest.py ARGUMENT…`: oai-harvest with the current lxml and setuptools.

Version 3.0.0, of 2017, is the last. lxml 5 removed `evaluate`, an old name for the call of an XPath evaluator;
setuptools 81 removed `pkg_resources`, from which it and pyoai read their versions.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from lxml import etree

_evaluator = etree.XPathEvaluator


def _with_old_name(node: Any, **options: Any) -> SimpleNamespace:
    return SimpleNamespace(evaluate=_evaluator(node, **options))


etree.XPathEvaluator = _with_old_name
resources: Any = ModuleType("pkg_resources")
resources.DistributionNotFound = LookupError
resources.get_distribution = lambda _name: SimpleNamespace(version="3.0.0")
resources.Requirement = SimpleNamespace(parse=str)
resources.working_set = SimpleNamespace(find=lambda _requirement: None)
sys.modules["pkg_resources"] = resources

from oaiharvest.harvest import main  # noqa: E402

main(sys.argv[1:])
