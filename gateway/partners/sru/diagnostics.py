"""The diagnostics of SRU: a number, its standard message and details (SRU 2.0, annex C)."""

from __future__ import annotations

MESSAGES = {
    1: "General system error",
    2: "System temporarily unavailable",
    3: "Authentication error",
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
    18: "Unsupported combination of indexes",
    19: "Unsupported relation",
    20: "Unsupported relation modifier",
    21: "Unsupported combination of relation modifiers",
    22: "Unsupported combination of relation and index",
    23: "Too many characters in term",
    24: "Unsupported combination of relation and term",
    26: "Non special character escaped in term",
    27: "Empty term unsupported",
    28: "Masking character not supported",
    29: "Masked words too short",
    30: "Too many masking characters in term",
    31: "Anchoring character not supported",
    32: "Anchoring character in unsupported position",
    33: "Combination of proximity/adjacency and masking characters not supported",
    34: "Combination of proximity/adjacency and anchoring characters not supported",
    35: "Term contains only stopwords",
    36: "Term in invalid format for index or relation",
    37: "Unsupported boolean operator",
    38: "Too many boolean operators in query",
    39: "Proximity not supported",
    40: "Unsupported proximity relation",
    41: "Unsupported proximity distance",
    42: "Unsupported proximity unit",
    43: "Unsupported proximity ordering",
    44: "Unsupported combination of proximity modifiers",
    46: "Unsupported boolean modifier",
    47: "Cannot process query; reason unknown",
    48: "Query feature unsupported",
    49: "Masking character in unsupported position",
    60: "Result set not created: too many matching records",
    61: "First record position out of range",
    64: "Record temporarily unavailable",
    65: "Record does not exist",
    66: "Unknown schema for retrieval",
    67: "Record not available in this schema",
    68: "Not authorized to send record",
    71: "Unsupported record packing",
    72: "XPath retrieval unsupported",
    80: "Sort not supported",
    82: "Unsupported sort sequence",
    83: "Too many records to sort",
    84: "Too many sort keys to sort",
    86: "Cannot sort: incompatible record formats",
    87: "Unsupported schema for sort",
    88: "Unsupported path for sort",
    89: "Path unsupported for schema",
    90: "Unsupported direction",
    91: "Unsupported case",
    92: "Unsupported missing value action",
    110: "Stylesheets not supported",
    111: "Unsupported stylesheet",
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
