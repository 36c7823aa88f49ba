"""Contents of BER fields read and written one by one, in plain Python: what the kernels must do."""

from __future__ import annotations

from cdr.asn_values import Form

SIGNS = "0123456789*#abc"
FILLER = 15


def read(contents: bytes | None, form: Form) -> int | str | bytes | None:
    """The value of contents; None where there are none or where they are not of the form."""
    if contents is None:
        return None
    if form is Form.INTEGER:
        is_number = 1 <= len(contents) <= 8
        return int.from_bytes(contents, "big", signed=True) if is_number else None
    if form is Form.TEXT:
        return contents.decode("ascii") if contents.isascii() else None
    if form in (Form.TIME, Form.BYTES):
        return contents
    text = ""
    for pair in contents[form is Form.ADDRESS :]:
        halves = (pair >> 4, pair & 15) if form is Form.DIGITS else (pair & 15, pair >> 4)
        for half in halves:
            if half == FILLER:
                return text
            text += SIGNS[half]
    return text


def write(value: int | str | None, form: Form, lead: int) -> bytes | None:
    """Contents with a value, in as few bytes as hold it."""
    if value is None:
        return None
    if isinstance(value, int):
        size = next(n for n in range(1, 9) if -(1 << 8 * n - 1) <= value < 1 << 8 * n - 1)
        return value.to_bytes(size, "big", signed=True)
    halves = [SIGNS.index(sign) for sign in value]
    halves += [FILLER] * (len(halves) % 2)
    pairs = zip(halves[::2], halves[1::2], strict=True)
    is_high = form is Form.DIGITS
    packed = bytes(one << 4 | two if is_high else two << 4 | one for one, two in pairs)
    return bytes([lead]) + packed if form is Form.ADDRESS else packed
