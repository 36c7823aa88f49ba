"""Small closed vocabularies and the codes that stand for them in columns.

The numbers are stored in lakes and must never change meaning; new words are appended.
"""

from __future__ import annotations

from typing import Final

SERVICES: Final = ("unknown", "voice", "video", "sms", "mms", "data", "event")
DIRECTIONS: Final = ("unknown", "out", "in", "forward", "transit")
ROAMINGS: Final = ("home", "national", "international", "visitor")
# Why a call went on to another number.
FORWARDS: Final = ("none", "unconditional", "busy", "no_answer", "unreachable")
BOUNDARIES: Final = ("none", "inner", "inter")  # served across a border, within or between regions
RATING_KINDS: Final = ("retail", "reseller", "buy", "sell")

SERVICE_CODE: Final = {name: code for code, name in enumerate(SERVICES)}
DIRECTION_CODE: Final = {name: code for code, name in enumerate(DIRECTIONS)}
FORWARD_CODE: Final = {name: code for code, name in enumerate(FORWARDS)}

VOICE, VIDEO, SMS, MMS, DATA, EVENT = 1, 2, 3, 4, 5, 6
OUT, IN, FORWARD, TRANSIT = 1, 2, 3, 4
HOME, NATIONAL, INTERNATIONAL, VISITOR = 0, 1, 2, 3

# What is counted for each service: seconds, bytes or events (rating.md calls it quantity).
SECONDS, BYTES, EVENTS = 1, 2, 3
QUANTITY_UNIT: Final = {
    VOICE: SECONDS, VIDEO: SECONDS, SMS: EVENTS, MMS: EVENTS, DATA: BYTES, EVENT: EVENTS,
}  # fmt: skip

# usage.flags: one bit each.
FLAG_ON_NET: Final = 1  # the other number belongs to this operator
FLAG_SPECIAL: Final = 2  # the other number is a special (short) number
FLAG_ACCESS_CODE: Final = 4  # an access code was stripped from the dialled number
FLAG_AMBIGUOUS_CLOCK: Final = 8  # the start's local time happened twice; the first was taken
FLAG_FRIEND: Final = 16  # the other number is on the subscription's list of friends
FLAG_GROUP: Final = 32  # both ends are in one closed user group
FLAG_SAME_PLACE: Final = 64  # both ends are in one place, however far apart their homes are
FLAG_BOUNDARY: Final = 128  # served by a cell across the border, counted as at home
FLAG_BOUNDARY_INTER: Final = 256  # and that border is one between regions
FLAG_ROUTED: Final = 512  # the place of the number routed to is known
FLAG_PORTED: Final = 1024  # the other number's carrier is that of network/portability.csv
FLAG_RECOLLECTED: Final = 2048  # of a file that was asked for again
FLAG_PARTIAL: Final = 4096  # of a long call of which parts never came
FLAG_MERGED: Final = 8192  # made of several partial records
FLAG_PAIRED: Final = 16384  # the other leg of the forwarded call is known
FLAG_CORRECTED: Final = 32768  # a person changed a field of it

# Where a record ends up. Every record of a run has exactly one (promise 3, "closed").
DISPOSITIONS: Final = (
    "rated", "settled_only", "merged", "duplicate", "discarded", "suspended", "filtered", "pending",
)  # fmt: skip
RATED, SETTLED_ONLY, MERGED, DUPLICATE, DISCARDED, SUSPENDED, FILTERED, PENDING = range(8)
