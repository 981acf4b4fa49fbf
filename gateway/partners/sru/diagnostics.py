"""The diagnostics of SRU that this server sends: a number, its standard message and details (SRU 2.0, annex C)."""

from __future__ import annotations

MESSAGES = {
    2: "System temporarily unavailable",
    4: "Unsupported operation",
    5: "Unsupported version",
    6: "Unsupported parameter value",
    7: "Mandatory parameter not supplied",
    8: "Unsupported parameter",
    10: "Query syntax error",
    11: "Unsupported query type",
    12: "Too many characters in query",
    13: "Invalid or unsupported use of parentheses",
    14: "Invalid or unsupported use of quotes",
    15: "Unsupported context set",
    16: "Unsupported index",
    19: "Unsupported relation",
    20: "Unsupported relation modifier",
    22: "Unsupported combination of relation and index",
    23: "Too many characters in term",
    26: "Non special character escaped in term",
    27: "Empty term unsupported",
    29: "Masked words too short",
    30: "Too many masking characters in term",
    32: "Anchoring character in unsupported position",
    33: "Combination of proximity/adjacency and masking characters not supported",
    36: "Term in invalid format for index or relation",
    38: "Too many boolean operators in query",
    39: "Proximity not supported",
    40: "Unsupported proximity relation",
    41: "Unsupported proximity distance",
    42: "Unsupported proximity unit",
    44: "Unsupported combination of proximity modifiers",
    46: "Unsupported boolean modifier",
    48: "Query feature unsupported",
    61: "First record position out of range",
    66: "Unknown schema for retrieval",
    67: "Record not available in this schema",
    71: "Unsupported record packing",
    72: "XPath retrieval unsupported",
    82: "Unsupported sort sequence",
    84: "Too many sort keys to sort",
    88: "Unsupported path for sort",
    90: "Unsupported direction",
    110: "Stylesheets not supported",
    120: "Response position out of range",
    121: "Too many terms requested",
}


class Diagnostic(Exception):
    """A request that the server cannot answer, as SRU says it.

    number   of MESSAGES
    details  what the number refers to: the index, the parameter, the limit; "" without
    message  a sentence for people; by default the standard's message
    """

    def __init__(self, number: int, details: str = "", message: str = "") -> None:
        self.number = number
        self.details = details
        self.message = message or MESSAGES[number]
        super().__init__(f"{number} {self.message}: {details}")

    @property
    def uri(self) -> str:
        return f"info:srw/diagnostic/1/{self.number}"
