"""QR codes (ISO/IEC 18004) as SVG elements; reportlab computes the modules."""

from __future__ import annotations

from markupsafe import Markup

# Width of the quiet zone around the code, in modules, as ISO/IEC 18004 requires.
QUIET = 4


def qr_svg(text: str, *, label: str) -> Markup:
    """Draw a QR code as an SVG element, black on white in every colour scheme.

    label  text alternative
    """
    # This import takes a tenth of a second, and few pages draw a code.
    from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    modules = code.getModuleCount()
    side = modules + 2 * QUIET
    path = "".join(
        f"M{column + QUIET} {row + QUIET}h1v1h-1z"
        for row in range(modules)
        for column in range(modules)
        if code.isDark(row, column)
    )
    return Markup(
        '<svg class="qr" viewBox="0 0 {side} {side}" role="img" aria-label="{label}" shape-rendering="crispEdges">'
        '<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{path}"/></svg>'
    ).format(side=side, label=label, path=path)
