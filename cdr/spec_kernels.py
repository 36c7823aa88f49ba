"""What the glue and the kernels of the delimited decoder agree on: arrays, their rows, their codes.

Everything that a layout says travels as one ``Spec``: kernels see numbers, never configuration.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

Int: TypeAlias = Any  # int64 when compiled; an int or a numpy integer without the JIT
Word: TypeAlias = Any  # uint64: eight bytes at once

PAD_BYTES: Final = 128  # readable bytes behind a block: texts are read 16, marks 64, at once

# Spec.settings
DELIMITER, QUOTE, BACKSLASH, TRIM, ENCODING, WIDTH_MIN, WIDTH_MAX, ROW_BYTES = range(8)
SETTINGS_COUNT: Final = 8
UTF8, LATIN1, ASCII = 0, 1, 2

# Columns of Spec.ops: what every op has, and A..G, whose meaning depends on the kind.
(OP_KIND, OP_COLUMN, OP_SLOT, OP_FIELD, OP_REQUIRED, OP_MAX_BYTES, OP_NULLS, OP_A, OP_B, OP_C, OP_D,
 OP_E, OP_F, OP_G) = range(14)  # fmt: skip
OP_SIZE: Final = 14

# Places found at a time, and the room for them: a row's may wait for its line end.
MARK_WORDS: Final = 512
ENDS_COUNT: Final = 4 * MARK_WORDS * 64
ENDS_STEP: Final = 8  # ends are copied so many at a time, whether there are so many or not

# Op kinds, with the meaning of A..G.
KIND_TEXT: Final = 0
KIND_NUMBER: Final = 1  # a telephone number, kept as text
KIND_QUANTITY: Final = 2  # A times, B per, C rounding, D largest, E fewest bytes, F most, G reason
KIND_DECIMAL: Final = 3  # the same; B is 1
KIND_WORD: Final = 4  # A group of words, B -, C reason, D rule
KIND_TIME_FIXED: Final = 5  # A format, B separator, C -, D first of zone, E its size
KIND_TIME: Final = 6  # A -, B first item, C items, D first of zone, E its size, F part
KIND_CLOCK: Final = 7  # A 1, B first item, C rounding, D largest, E items, F -, G reason

ROUND_UP, ROUND_NEAREST, ROUND_DOWN, ROUND_NEVER = range(4)
# Rules of KIND_WORD: store the word's code; or a row without, or with, one of them is no charge.
RULE_CODE, RULE_EQUALS, RULE_UNLESS = range(3)
# Codes of items of durations that are written as clocks; beside them how many digits there are (0:
# as many as follow, at most CLOCK_DIGITS), or the literal byte.
CLOCK_LITERAL, CLOCK_HOUR, CLOCK_MINUTE, CLOCK_SECOND, CLOCK_FRACTION = range(5)
CLOCK_DIGITS: Final = 6  # so that hours in nanoseconds fit an int64
# Times in fixed places: local; with an offset; as ISO 8601 has it, with a fraction and an offset.
FORMAT_LOCAL, FORMAT_OFFSET, FORMAT_ISO = range(3)
# A group of words: its first slot; how far a hash is shifted down; what it is multiplied with, so
# that all words of the group have slots of their own (but for those of one length and one head).
GROUP_SLOT, GROUP_SHIFT, GROUP_MULTIPLIER = range(3)
WORD_LENGTH, WORD_CODE, WORD_BEGIN, WORD_NEXT = range(4)
LENGTH_MIX: Final = 0x9E3779B97F4A7C15  # makes the length a part of the hash
# Parts of times: a day whose clock follows, a whole time, a clock whose day came before.
PART_DAY, PART_WHOLE, PART_CLOCK = range(3)
# Codes of items of other formats; cdr.layout_time makes them, a test compares the two.
(ITEM_LITERAL, ITEM_YEAR, ITEM_MONTH, ITEM_DAY, ITEM_HOUR, ITEM_MINUTE, ITEM_SECOND, ITEM_FRACTION,
 ITEM_OFFSET, ITEM_EPOCH_S, ITEM_EPOCH_MS, ITEM_YEAR_TWO) = range(12)  # fmt: skip

# Rows of the arrays of Output.
(RECORD_ID, BYTE_OFFSET, FAULT_BEGIN, FAULT_LENGTH, IMSI, IMEI, START, DURATION, UP_BYTES,
 DOWN_BYTES, EVENTS, SEQUENCE, CAUSE, CHARGE) = range(14)  # fmt: skip
NUMBERS_COUNT: Final = 14
BYTE_LENGTH, UTC_OFFSET, FLAGS = range(3)
REASON, REASON_FIELD = range(2)
SERVICE, DIRECTION, FORWARD = range(3)
CODES_COUNT: Final = 3

# Fields of the array that describes a block.
SIZE, BLOCK_OFFSET, FIRST_ID, RECORDS, IS_CHECKED = range(5)
# How the records of a block are found: at every line end; by a walk through quotes; or they and
# their fields were found before (fixed places, JSON).
RECORDS_PLAIN, RECORDS_QUOTED, RECORDS_GIVEN = range(3)
# Output.totals
TOTAL_ROWS, TOTAL_BLANK, TOTAL_COMMENT = range(3)

# Reasons (tollbook.reasons) that the kernels give; a test compares the two tables.
COLUMNS_TOO_FEW, COLUMNS_TOO_MANY, FIELD_TOO_LONG, TEXT_NOT_UTF8, QUOTE_UNCLOSED = 1, 2, 3, 4, 5
NUMBER_MALFORMED, INTEGER_MALFORMED, DECIMAL_MALFORMED, TIME_MALFORMED = 6, 7, 8, 9
TIME_NOT_ON_CLOCK, FIELD_MISSING, INTEGER_OUT_OF_RANGE, ROW_TOO_LONG = 10, 13, 15, 16
TEXT_CONTROL_CHARACTER = 18
FLAG_AMBIGUOUS_CLOCK = 8


# Scratch.state: place in the block, identifier of its line, row of the output, rows in the window;
# entries of ``ends`` and ``feeds`` that were used and that are there, words that were searched,
# whether an op found a fault.
(STATE_POSITION, STATE_ID, STATE_ROW, STATE_COUNT, STATE_USED, STATE_ENDS, STATE_USED_FEEDS,
 STATE_FEEDS, STATE_WORD, STATE_FAULTS) = range(10)  # fmt: skip
# Scratch.rows: place of the record and of its end, its columns, its identifier, its reason
ROW_BEGIN, ROW_END, ROW_WIDTH, ROW_ID, ROW_REASON = range(5)


class Spec(NamedTuple):
    """A layout, resolved against one file's header."""

    settings: np.ndarray  # int64 [SETTINGS_COUNT]
    ops: np.ndarray  # int64 [ops, OP_SIZE]; conditions first, a later fault never hides an earlier
    comment: np.ndarray  # uint8: the prefix of comment lines
    groups: np.ndarray  # uint64 [groups, 3]: GROUP_SLOT .. GROUP_MULTIPLIER; group 0 is empty
    slots: np.ndarray  # int32: the word at a slot of a group; 0: none
    words: np.ndarray  # int64 [words, 4]: WORD_LENGTH .. WORD_NEXT; word 0 is none
    heads: np.ndarray  # uint64 [words]: the first eight bytes, little endian
    pool: np.ndarray  # uint8: all words, padded
    zone_since: np.ndarray  # int64: the zones' tables one behind the other
    zone_offset: np.ndarray  # int64
    items: np.ndarray  # int64 [items, 2]: code and literal byte of time formats
    number_bytes: np.ndarray  # uint8 [256]: 1 where a byte may stand in a telephone number


class Scratch(NamedTuple):
    """Working memory of one call: a window of rows, column by column.

    Field c of row r lies at ``bounds[c, r] + 1`` and before ``bounds[c + 1, r]``.
    """

    bounds: np.ndarray  # int32 [columns + 1 and more, window]: ends of fields, in block or ``row``
    raw: np.ndarray  # int32, the same shape: ends of fields in the block (plain: the same memory)
    rows: np.ndarray  # int64 [5, window]: ROW_BEGIN .. ROW_REASON of each row
    row: np.ndarray  # uint8: fields of the window without quotes and escapes, or those given
    low: np.ndarray  # int32 [window]: first byte of the field that an op reads
    length: np.ndarray  # int32 [window]: its bytes; 0: no value
    fault: np.ndarray  # int32 [window]: the reason for which the field is bad; 0: none
    word: np.ndarray  # int32 [window]: the word that the field is; 0: none
    days: np.ndarray  # int64 [window]: day numbers, where two columns make a time
    known: np.ndarray  # int64 [3]: a span of local times that has one offset, and the offset
    marks: np.ndarray  # uint8 [2, MARK_WORDS * 8]: a bit for each byte: it ends a field, or a line
    mark_words: np.ndarray  # uint64 [2, MARK_WORDS]: the same memory
    ends: np.ndarray  # int32 [ENDS_COUNT]: places of the delimiters and line feeds that come next
    feeds: np.ndarray  # int32 [ENDS_COUNT]: places of the line feeds among them
    state: np.ndarray  # int64 [10]: STATE_POSITION .. STATE_FAULTS


class Output(NamedTuple):
    """What a call fills; same index = same row."""

    numbers: np.ndarray  # int64 [NUMBERS_COUNT, rows]; faults only where there is one
    smalls: np.ndarray  # int32 [3, rows]
    verdicts: np.ndarray  # int16 [2, rows]
    codes: np.ndarray  # int8 [CODES_COUNT, rows]
    offsets: np.ndarray  # int32 [texts, rows + 1]
    texts: np.ndarray  # uint8 [texts, bytes]
    totals: np.ndarray  # int64 [3]


