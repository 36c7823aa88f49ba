"""Fixed-width and JSON-lines layouts, with records that are good, for tests and the fuzzer."""

from __future__ import annotations

from typing import Final

# Layouts that together use every key of the two kinds.
TEXTS: Final = {
    "lines": """
        layout: lines
        kind: fixed
        comment: "99"
        columns:
          - {at: [1, 2], to: service, map: {"01": voice, "02": sms}}
          - {at: [3, 14], to: served_number, required: yes}
          - {at: 15, length: 12, to: start, format: "%y%m%d%H%M%S", zone: source}
          - {at: [27, 33], to: duration, type: clock, format: mmmmssf, round: up}
          - {at: [34, 39], to: charge, unit: "0.001", type: integer, null: ["000000"]}
          - {at: [3, 4], to: expected, unless: [99]}
          - {at: 40, to: billable, unless: [X]}
          - {at: [41, 46], to: call_ref, optional: yes}
          - {at: [45, 46], to: location, optional: yes}
        constants: {direction: out}
        keep: billable
        limits: {row_bytes: 60}
    """,
    "blocks": """
        layout: blocks
        kind: fixed
        encoding: latin-1
        record_bytes: 40
        trim: no
        columns:
          - {at: [1, 19], to: start, format: "%Y-%m-%d %H:%M:%S", zone: operator}
          - {at: [20, 27], to: duration, type: clock, format: "h:mm:ss", round: nearest}
          - {at: [28, 39], to: location}
        constants: {service: voice, direction: out}
    """,
    "objects": """
        layout: objects
        kind: json
        null: [null, "-"]
        columns:
          - {path: from, to: served_number, required: yes}
          - {path: variables.start, to: start, format: iso8601}
          - {path: variables.length, to: duration, type: decimal, unit: s, round: down}
          - {path: variables.clock, to: up_volume, unit: KiB}
          - {path: legs.1.name, to: location}
          - {path: price, to: charge}
          - {path: answered, to: answered, equals: ["true"]}
        constants: {service: voice, direction: out}
        keep: answered
        limits: {row_bytes: 300}
    """,
}
LINE: Final = "01 13900000001" "030610065950" "0001305" "001500" " " "call-1"
BLOCK: Final = "2003-06-10 06:59:5000:01:05" + "here".ljust(13)
TREE: Final = {"from": "13900000001", "answered": True, "price": 0.25, "legs": [{}, {"name": "b"}],
               "variables": {"start": "2003-06-10T06:59:50+08:00", "length": 12.9, "clock": 7}}
