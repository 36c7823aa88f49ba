"""Naive twins of the guiding kernels: texts, lists and Python integers, one record at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import reference_places
from guiding_world import World

from tollbook import codes, reasons, schemas
from tollbook.numbering import Lengths, Numbering

MASK = (1 << 31) - 1
SEED = 0x1B87_3593_4CF5_AD43 & ((1 << 62) - 1)
Row = Mapping[str, Any]


# --- numbers


@dataclass(frozen=True)
class Read:
    """A number as read: ``e164`` None where it fits no rule; the rows of what was taken off."""

    e164: int | None
    access_code: int = -1
    special: int = -1
    letters: bool = False
    empty: bool = False


def fits(size: int, lengths: Lengths | None) -> bool:
    return lengths is not None and lengths.min <= size <= lengths.max


def is_national(size: int, numbering: Numbering) -> bool:
    return fits(size, numbering.national_lengths) or fits(size, numbering.mobile_lengths)


def whole(digits: str, numbering: Numbering) -> int | None:
    """Digits with a country code as E.164."""
    if not 7 <= len(digits) <= 15 or digits[0] == "0":
        return None
    code = numbering.country_code
    if digits.startswith(code) and not is_national(len(digits) - len(code), numbering):
        return None
    return int(digits)


def dialled(digits: str, numbering: Numbering, area: str) -> int | None:
    for prefix in sorted(numbering.international_prefixes, key=len, reverse=True):
        if digits.startswith(prefix) and len(digits) > len(prefix):
            return whole(digits.removeprefix(prefix), numbering)
    code, trunk, found = numbering.country_code, numbering.national_prefix, ""
    rest = digits.removeprefix(trunk)
    if trunk and digits.startswith(trunk) and is_national(len(rest), numbering) and rest[0] != "0":
        found = code + rest
    elif trunk and digits.startswith("0"):
        return None
    elif fits(len(digits), numbering.mobile_lengths):
        found = code + digits
    elif area and fits(len(digits), numbering.local_lengths):
        found = code + area + digits
    elif digits.startswith(code) and is_national(len(digits) - len(code), numbering):
        found = digits
    return int(found) if 7 <= len(found) <= 15 else None


def read_number(
    raw: str, numbering: Numbering, area: str, specials: Sequence[str], is_dialled: bool
) -> Read:
    if raw == "":
        return Read(None, empty=True)
    uri = re.fullmatch(r"(?:sips?|tel):([^@;]*)(?:[@;].*)?", raw, re.IGNORECASE | re.DOTALL)
    text = uri[1] if uri else raw
    if re.search(r"[A-Za-z]|[^\x00-\x7f]", text):
        return Read(None, letters=True)
    kept = re.sub(r"[ .()-]", "", text)
    if not re.fullmatch(r"\+?[0-9]{1,30}", kept):
        return Read(None, empty=text == "")
    if kept.startswith("+"):
        return Read(whole(kept[1:], numbering))
    begins = [text for text in specials if text[-1] == "*" and kept.startswith(text[:-1])]
    if is_dialled and (kept in specials or begins):
        found = kept if kept in specials else max(begins, key=len)
        return Read(0, special=specials.index(found))
    for code in sorted(numbering.access_codes, key=len, reverse=True) if is_dialled else ():
        if kept.startswith(code) and len(kept) > len(code):
            found = dialled(kept.removeprefix(code), numbering, area)
            if found is not None:
                return Read(found, access_code=numbering.access_codes.index(code))
            break  # the longest access code is the one that was dialled
    return Read(dialled(kept, numbering, area))


def may_be_absent(party: str, found: Read, row: Row) -> bool:
    if party == "served":
        return bool(row["direction"] == codes.TRANSIT)
    if party == "routing":
        return found.empty
    if row["service"] in (codes.DATA, codes.EVENT) or (party == "third" and found.empty):
        return True
    if row["direction"] == codes.IN:
        return found.empty or found.letters
    return found.empty and row["service"] in (codes.SMS, codes.MMS)


# --- the three stages of one record


def position(name: str) -> int:
    return schemas.CDR.get_field_index(name)


def validate(row: Row, world: World) -> tuple[str, str] | None:
    """Reason and field at fault, None if there is none."""
    limits, service = world.workspace.limits, row["service"]
    is_whole = world.workspace.partials is None or row["sequence"] == 0
    if row["start_utc_s"] > world.as_of_utc_s + limits.future_s:
        return "start_in_future", "start_utc_s"
    if row["start_utc_s"] < world.as_of_utc_s - limits.age_s:
        return "start_too_old", "start_utc_s"
    if service in (codes.VOICE, codes.VIDEO):
        if row["duration_s"] == 0 and is_whole:
            return "duration_zero", "duration_s"
        if row["duration_s"] > limits.duration_s:
            return "duration_too_long", "duration_s"
    if service == codes.DATA:
        if row["up_bytes"] + row["down_bytes"] == 0 and is_whole:
            return "volume_zero", "up_bytes"
        if row["up_bytes"] + row["down_bytes"] > limits.volume_bytes:
            return "volume_too_large", "up_bytes"
    if service in (codes.SMS, codes.MMS, codes.EVENT) and row["event_count"] == 0:
        return "events_zero", "event_count"
    return None


def normalise(row: Row, world: World) -> dict[str, Any]:
    numbering = world.workspace.numbering
    area = world.workspace.sources[row["source_index"]].area
    specials = world.network.special_numbers.numbers
    new: dict[str, Any] = {"access_code_index": -1, "special_index": -1}
    new |= {name: row[name] for name in ("flags", "reason", "reason_field")}
    for party in ("served", "other", "third", "routing"):
        new[f"{party}_e164"] = 0
        if new["reason"]:
            continue
        is_dialled = party in ("other", "third")
        found = read_number(row[f"{party}_raw"], numbering, area, specials, is_dialled)
        if found.e164 is not None:
            new[f"{party}_e164"] = found.e164
        elif party == "served" and found.empty and row["imsi"]:
            continue  # guiding looks for the IMSI
        elif not may_be_absent(party, found, row):
            called = "other" if party == "third" else party
            new["reason"] = reasons.CODE[f"{called}_number_malformed"]
            new["reason_field"] = position(f"{party}_raw")
        if party == "other":
            new["access_code_index"], new["special_index"] = found.access_code, found.special
            new["flags"] |= codes.FLAG_ACCESS_CODE * (found.access_code >= 0)
            new["flags"] |= codes.FLAG_SPECIAL * (found.special >= 0)
    return new


def longest_prefix(world: World, number: int, utc_s: int) -> tuple[int, int]:
    """Zone and carrier of a number; -1, -1 without a range."""
    ranges, best = world.network.ranges, (0, -1, -1)
    for row in range(len(ranges.prefix)):
        prefix = str(ranges.prefix[row])
        if (
            str(number).startswith(prefix)
            and ranges.valid_from_utc_s[row] <= utc_s < ranges.valid_to_utc_s[row]
        ):
            found = (len(prefix), int(ranges.zone_index[row]), int(ranges.carrier_index[row]))
            best = max(best, found)
    return best[1:]


def subscription(world: World, number: int, imsi: int, utc_s: int) -> int:
    rows = world.customers.subscriptions
    for row in range(len(rows.number)):
        since, until = rows.valid_from_utc_s[row], rows.valid_to_utc_s[row]
        is_known = rows.number[row] == number if number else rows.imsi[row] == imsi != 0
        if is_known and since <= utc_s < until:
            return row
    return -1


def trunk(world: World, name: str, utc_s: int) -> int:
    trunks = world.network.trunks
    for row, known in enumerate(trunks.trunks):
        if known == name and trunks.valid_from_utc_s[row] <= utc_s < trunks.valid_to_utc_s[row]:
            return row
    return -1


def month_of(utc_s: int, zone: str) -> int:
    local = datetime.fromtimestamp(utc_s, UTC).astimezone(ZoneInfo(zone))
    return local.year * 12 + local.month - 1


def guide(row: Row, world: World) -> dict[str, Any]:
    """The columns that guiding adds, but for bucket and hash, of a row without a reason."""
    start, transit = row["start_utc_s"], row["direction"] == codes.TRANSIT
    month = month_of(start, world.workspace.operator.time_zone)
    new: dict[str, Any] = dict.fromkeys(
        ("subscription_index", "account_index", "plan_index", "served_zone_index",
         "other_zone_index", "carrier_index", "relation_index", "home_zone_index",
         "home_relation_index", "real_zone_index", "called_zone_index"), -1)  # fmt: skip
    new |= {
        "roaming": codes.HOME, "flags": row["flags"], "reason": 0, "reason_field": -1,
        "usage_period": month, "bill_period": max(month, world.open_period),
        "trunk_in_index": trunk(world, row["trunk_in"], start),
        "trunk_out_index": trunk(world, row["trunk_out"], start),
    }  # fmt: skip
    is_by_imsi = not row["served_e164"] and row["imsi"] and not transit
    if is_by_imsi:
        payer = subscription(world, 0, row["imsi"], start)
        new["served_e164"] = int(world.customers.subscriptions.number[payer]) if payer >= 0 else 0
        row = row | {"served_e164": new["served_e164"]}
    fault = _guide_ends(row, world, new, start, transit)
    home, served = new["home_zone_index"], new["served_zone_index"]
    if home >= 0 and served >= 0:
        new["home_relation_index"] = int(world.network.relation_matrix[home, served])
    if fault:
        field = "imsi" if is_by_imsi and fault[1] == "served_raw" else fault[1]
        new["reason"], new["reason_field"] = reasons.CODE[fault[0]], position(field)
    return new


def _guide_ends(
    row: Row, world: World, new: dict[str, Any], start: int, transit: bool
) -> tuple[str, str] | None:
    home = longest_prefix(world, row["served_e164"], start)[0] if row["served_e164"] else -1
    if transit:
        new["home_zone_index"] = new["served_zone_index"] = home
    else:
        payer = subscription(world, row["served_e164"], row["imsi"], start)
        if payer < 0:
            return _guide_visitor(row, world, new, start)
        rows = world.customers.subscriptions
        new["home_zone_index"] = home
        new["subscription_index"] = payer
        new["account_index"] = int(rows.account_index[payer])
        new["plan_index"] = int(rows.plan_index[payer])
        if rows.status[payer] != 0:
            return "subscription_inactive", "served_raw"
        place = reference_places.true_place(row, world, home)
        if isinstance(place[0], str):
            return place  # type: ignore[return-value]
        new["served_zone_index"], new["roaming"] = place
        reference_places.rewrite(row, world, home, new)
    return _guide_other(row, world, new, start, transit)


def _guide_visitor(
    row: Row, world: World, new: dict[str, Any], start: int
) -> tuple[str, str] | None:
    place = reference_places.visitor(world, row)
    if place < 0:
        return "subscription_missing", "served_raw"
    rows = world.customers.visitors
    new["subscription_index"] = len(world.customers.subscriptions.number) + place
    new["account_index"] = int(rows.account_index[place])
    new["plan_index"] = int(rows.plan_index[place])
    cell = reference_places.location_row(world, row["location"], start)
    zone = int(world.network.locations.zone_index[cell]) if cell >= 0 else -1
    if not row["location"] and (named := rows.zone[place].as_py()):
        zone = world.network.zones.ids.index(named)
    if zone < 0:
        return "location_missing", "location"
    new["served_zone_index"] = zone
    new["roaming"] = codes.VISITOR
    return _guide_other(row, world, new, start, transit=False)


def _guide_other(
    row: Row, world: World, new: dict[str, Any], start: int, transit: bool
) -> tuple[str, str] | None:
    zone, carrier, routed = -1, -1, -1
    if row["special_index"] >= 0:
        zone = int(world.network.special_numbers.zone_index[row["special_index"]])
    elif row["other_e164"]:
        zone, carrier = longest_prefix(world, row["other_e164"], start)
    moved = reference_places.ported(world, row["other_e164"], start)
    if moved and row["special_index"] < 0:
        carrier, zone = moved[0], moved[1] if moved[1] >= 0 else zone
    new["flags"] |= codes.FLAG_PORTED * (moved is not None)
    if row["routing_e164"]:
        routed = longest_prefix(world, row["routing_e164"], start)[0]
    called = reference_places.call(row, world, new, zone, routed)
    new["called_zone_index"] = called if called != zone else -1
    if row["other_e164"] and row["special_index"] < 0:
        new["carrier_index"] = carrier
        if zone < 0:
            return "number_range_missing", "other_raw"
        new["flags"] |= codes.FLAG_ON_NET * (carrier == world.network.carriers.own_index)
    new["other_zone_index"] = zone
    begins = new["served_zone_index"]
    if row["direction"] == codes.FORWARD and new["home_zone_index"] >= 0:
        begins = new["home_zone_index"]
    if begins >= 0 and called >= 0:
        new["relation_index"] = int(world.network.relation_matrix[begins, called])
    if called >= 0 and new["relation_index"] < 0 and not transit:
        return "relation_missing", "other_raw"
    new["flags"] |= reference_places.members(row, world, new["subscription_index"])
    return None


# --- hashes and duplicates


def mix_word(state: int, word: int) -> int:
    low = ((state & MASK) ^ (word & MASK)) * 0x5BD1E995
    high = ((state >> 31) ^ (word & MASK)) * 0x4C957F2D
    return ((high ^ (high >> 31)) & MASK) << 31 | (low ^ (low >> 31)) & MASK


def mix(state: int, value: int) -> int:
    return mix_word(mix_word(state, value), value >> 31)


def text_hash(data: bytes) -> int:
    state = mix_word(SEED, len(data))
    full = len(data) // 3 * 3
    for at in range(0, full, 3):
        state = mix_word(state, int.from_bytes(data[at : at + 3], "little"))
    return mix_word(state, int.from_bytes(data[full:], "big"))


def party_key(e164: int, raw: str) -> int:
    if e164:
        return e164
    return -1 - text_hash(raw.encode()) if raw else 0


def served_key(row: Row) -> int:
    if row["imsi"] and not row["served_raw"]:
        return -(2**62) - 1 - row["imsi"]
    return party_key(row["served_e164"], row["served_raw"])


def extra_key(row: Row, fields: Iterable[str]) -> int:
    key = mix(SEED, text_hash(row["call_ref"].encode())) if "call_ref" in fields else 0
    return mix(key, row["sequence"]) if "sequence" in fields else key


def dedupe_hash(row: Row, fields: Iterable[str]) -> int:
    served = served_key(row)
    owner = mix(SEED, served)
    state = mix_word(owner, row["start_utc_s"])
    if "duration" in fields:
        state = mix_word(state, row["duration_s"])
    if "other" in fields:
        state = mix(state, party_key(row["other_e164"], row["other_raw"]))
    if "direction" in fields or "service" in fields:
        way = row["direction"] if "direction" in fields else 0
        state = mix_word(state, way << 8 | (row["service"] if "service" in fields else 0))
    if "call_ref" in fields or "sequence" in fields:
        state = mix(state, extra_key(row, fields))
    upper = owner if served else state
    return (upper >> 31) << 32 | (state & MASK) << 1 | 1


COLUMN_OF = {
    "served": "served_key", "start": "start_utc_s", "duration": "duration_s", "other": "other_key",
    "direction": "direction", "service": "service",
}  # fmt: skip


def same_key(one: Row, other: Row, fields: Iterable[str]) -> bool:
    names = ["dedupe_hash", "extra_key", *(COLUMN_OF[f] for f in fields if f in COLUMN_OF)]
    return all(one[name] == other[name] for name in names)


def decide(
    new: Sequence[Row], history: Sequence[Row], fields: Sequence[str]
) -> tuple[dict[int, int], list[Row]]:
    """Duplicate id -> id of the first; and the rows that join the index."""
    duplicates, kept = {}, []
    for row in sorted(new, key=lambda row: row["record_id"]):
        known = [old["record_id"] for old in history if same_key(old, row, fields)]
        first = [old["record_id"] for old in kept if same_key(old, row, fields)]
        if row["record_id"] in known:
            continue
        if known or first:
            duplicates[row["record_id"]] = min(known) if known else first[0]
        else:
            kept.append(row)
    return duplicates, sorted(
        kept, key=lambda row: (row["start_day"], row["dedupe_hash"], row["record_id"])
    )
