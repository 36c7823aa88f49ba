"""A small workspace by hand, for tests of what is said of single records: two cities, one plan."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from tollbook import clock

JUNE: Final = clock.month_index(2003, 6)
AS_OF_UTC_S: Final = clock.date_utc_s(date(2003, 6, 11), "Asia/Shanghai") + 7200
CDR_FILE: Final = "CDR_000001.csv"

FILES: Final = {
    "operator.yaml": """\
operator: {name: Two Cities, country: CN, currency: CNY, time_zone: Asia/Shanghai, tadig: CHNTC}
numbering:
  country_code: 86
  international_prefixes: [00]
  national_prefix: 0
  national_lengths: {min: 9, max: 11}
  mobile_lengths: {min: 11, max: 11}
  access_codes: [17911]
national_roaming: zone
places: {same_place: originating, boundary: served, forward_home: [unconditional]}
store: {catalogue: "sqlite:///catalogue.db", lake: lake}
sources: [{name: msc, layout: tollbook, files: "CDR_{sequence:06d}.csv", time_zone: Asia/Shanghai}]
""",
    "network/zones.csv": """\
zone,name,region,country,settlement_group
010,Beijing,north,CN,domestic
020,Guangzhou,south,CN,domestic
emergency,Emergency calls,special,CN,
JP,Japan,abroad,JP,asia
""",
    "network/number_ranges.csv": """\
prefix,zone,carrier
8610,010,east
8620,020,east
86139,010,own
8613920,020,own
81,JP,
""",
    "network/special_numbers.csv": "number,zone,name\n110,emergency,Police\n",
    "network/relations.csv": """\
served,other,relation
*,emergency,special
*,same_zone,local
country:CN,country:CN,toll
country:CN,*,abroad
*,*,roaming
""",
    "network/locations.csv": "location,zone\nBJ-1,010\nGZ-*,020\n",
    "network/boundary.csv": "home,location,edge\n010,GZ-9,inter\n",
    "network/networks.csv": "tadig,zone,name\nJPNAA,JP,Network A\n",
    "network/carriers.csv": """\
carrier,name,own
own,Two Cities,yes
east,East Telecom,no
west,West Telecom,no
""",
    "network/trunks.csv": "trunk,carrier\nT-EAST,east\nT-WEST,west\n",
    "network/agreements.csv": """\
agreement,carrier,direction,service,group,price,per,increments,digits,mode,clock
east-2003,east,out,voice,*,0.06,60s,60s,2,half_up,end
west-2003,west,in,voice,domestic,0.05,60s,6s,4,up,start
""",
    "customers/accounts.csv": "account_id,name,address\nA-1007,Lin,1 Renmin Road\n",
    "customers/subscriptions.csv": """\
subscription_id,account_id,number,imsi,plan,status,valid_from,valid_to
S-1,A-1007,13900000001,,standard,active,2002-03-06,
S-2,A-1007,13900000002,,standard,active,2002-03-06,2003-06-10T12:00:00
""",
    "tariffs/japan.csv": "zone,rate\nJP,ip\n",
    "tariffs/standard.yaml": """\
plan: standard
name: Standard postpaid
valid: {from: 2001-02-21}
components: [airtime, toll, message, data]
rates:
  local: {per: 60s, price: 0.40}
  visited: {per: 60s, price: 0.60}
  toll:
    per: 6s
    price: 0.07
    bands: [{from: "00:00", to: "07:00", price: 0.04}]
    short_call: {up_to: 3s, price: 0}
  ip: {per: 60s, increments: 60/6, price: 0.0123, connect: 0.001, round: {digits: 4, mode: half_up}}
  video: {tiers: [{up_to: 180s, per: 180s, price: 0.20}, {per: 60s, price: 0.10}]}
  sms: {per: event, price: 0.10, minimum: 0.25}
  gprs: {per: 1KiB, price: 0.03, volumes: apart, maximum: 3.00}
  third: {per: 3s, increments: 1s, price: 0.10}
rules:
  - {when: {to: emergency}, charge: free}
  - {when: {service: voice, roaming: national}, charge: {airtime: visited}}
  - {when: {service: voice, direction: in}, charge: {airtime: free}}
  - {when: {service: voice, relation: abroad, access_code: 17911},
     charge: {airtime: local, toll: {by_zone: japan.csv}}}
  - {when: {service: voice, relation: toll}, charge: {airtime: local, toll: toll}}
  - {when: {service: voice, roaming: international}, charge: {airtime: third}}
  - {when: {service: video}, charge: {airtime: video}}
  - {when: {service: sms}, charge: {message: sms}}
  - {when: {service: data}, charge: {data: gprs}}
  - {when: {service: voice, relation: local}, charge: {airtime: local}}
  - {otherwise: refuse}
""",
}

HEADER: Final = (
    "service,direction,served,other,start,duration,up_bytes,down_bytes,events,network,location,"
    "trunk_in,trunk_out,routing,forward"
)
_DAY: Final = "2003-06-10T{}+08:00"


def _row(
    what: str, other: str, time: str, used: str, where: str = "", trunks: str = ",",
    served: str = "13900000001", sent: str = ",",
) -> str:  # fmt: skip
    """used: seconds, bytes up, bytes down and events; where: network and location.

    sent: the number routed to, and the reason of forwarding.
    """
    return f"{what},{served},{other},{_DAY.format(time)},{used},{where or ',BJ-1'},{trunks},{sent}"


# What each line of the file is called below; the first record stands on line 2.
RECORDS: Final = {
    "toll": _row("voice,out", "02087654321", "06:59:50", "30,0,0,0", trunks=",T-EAST"),
    "duplicate": _row("voice,out", "02087654321", "06:59:50", "30,0,0,0", trunks=",T-EAST"),
    "short_call": _row("voice,out", "02087654322", "08:00:00", "3,0,0,0"),
    "deck": _row("voice,out", "179110081312345678", "09:00:00", "61,0,0,0"),
    "tiers": _row("video,out", "01065541234", "10:00:00", "301,0,0,0"),
    "minimum": _row("sms,out", "13900000002", "11:00:00", "0,0,0,2"),
    "maximum": _row("data,out", "", "12:00:00", "60,1500,204800,0"),
    "abroad": _row("voice,out", "0081312345678", "13:00:00", "10,0,0,0", "JPNAA,"),
    "roaming": _row("voice,in", "01065541234", "14:00:00", "61,0,0,0", ",GZ-1", "T-WEST,"),
    "free": _row("voice,out", "110", "11:59:59", "45,0,0,0", served="13900000002"),
    "transit": _row("voice,transit", "02087654321", "16:00:00", "61,0,0,0", ",", "T-WEST,T-EAST",
                    served="01065541234"),
    "zero": _row("voice,out", "02087654321", "17:00:00", "0,0,0,0"),
    "unknown": _row("voice,in", "01065541234", "18:00:00", "20,0,0,0", served="13900000003"),
    "no_rate": _row("mms,out", "13900000002", "19:00:00", "0,0,0,1"),
    "malformed": _row("voice,out", "0208765?321", "20:00:00", "20,0,0,0"),
    "border": _row("voice,out", "02087654321", "21:00:00", "61,0,0,0", ",GZ-9"),
    "routed": _row("voice,out", "13900000003", "22:00:00", "61,0,0,0", ",GZ-1",
                   sent="+8613920000007,"),
    "forward_home": _row("voice,forward", "02087654321", "22:10:00", "61,0,0,0", ",GZ-1",
                         sent=",unconditional"),
    "forward_away": _row("voice,forward", "02087654321", "22:20:00", "61,0,0,0", ",GZ-1",
                         sent=",no_answer"),
    "forward_unknown": _row("voice,forward", "02087654321", "22:30:00", "61,0,0,0", ",GZ-1",
                            served="13900000003", sent="+8613920000007,unconditional"),
}  # fmt: skip
NUMBER_OF: Final = {name: f"F1-{line}" for line, name in enumerate(RECORDS, start=2)}


def write(root: Path) -> Path:
    """The workspace, with one file in its inbox."""
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    inbox = root / "inbox" / "msc"
    inbox.mkdir(parents=True)
    (inbox / CDR_FILE).write_text("\n".join([HEADER, *RECORDS.values(), ""]), encoding="utf-8")
    return root
