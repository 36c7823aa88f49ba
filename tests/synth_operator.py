"""A small operator for tests of the synthesiser: three sources, five zones, some lines."""

from __future__ import annotations

from pathlib import Path

OPERATOR = """
operator: {name: Test Mobile, country: CN, currency: CNY, time_zone: Asia/Shanghai, tadig: CHNTM}
numbering:
  country_code: 86
  international_prefixes: ["00"]
  national_prefix: "0"
  national_lengths: {min: 10, max: 11}
  mobile_lengths: {min: 11, max: 11}
  access_codes: ["17909"]
sources:
  - {name: gw, layout: ggsn, files: "gw-{date:%Y%m%d%H%M}.csv"}
  - {name: msc, layout: tollbook, files: "MSC_{sequence:06d}_{date:%Y%m%d%H%M}.csv*"}
  - {name: pbx, layout: freeswitch, files: "pbx-*.csv", area: "10"}
limits: {age: 60d, future: 1h, duration: 10h, volume: 1TiB}
duplicates: {key: [served, start, duration, other, direction], window: 60d}
"""
NETWORK = {
    "zones.csv": """zone,name,region,country,settlement_group
010,Beijing,north,CN,domestic
020,Guangzhou,south,CN,domestic
852,Hong Kong,,HK,near
1,United States,,US,far
emergency,Emergency,,CN,
""",
    "number_ranges.csv": """prefix,zone,carrier
8613900,010,own
8613901,020,own
861065,010,own
86138,020,rival
86135,010,rival
852,852,abroad
1,1,abroad
""",
    "special_numbers.csv": "number,zone,name\n110,emergency,Police\n119,emergency,Fire\n",
    "relations.csv": "served,other,relation\n*,emergency,emergency\n*,same_zone,local\n*,*,toll\n",
    "locations.csv": "location,zone\n"
    + "".join(f"BJ-{cell},010\n" for cell in range(20))
    + "".join(f"GZ-{cell},020\n" for cell in range(15)),
    "networks.csv": "tadig,zone,name\nHKGAA,852,Harbour\nUSAAA,1,Plains\n",
    "carriers.csv": "carrier,name,own\nown,Test,yes\nrival,Rival,no\nabroad,Abroad,no\n",
    "trunks.csv": "trunk,carrier,name,valid_from,valid_to\nRV1,rival,One,,\nRV2,rival,Two,,\n"
    "AB1,abroad,Cable,,\n",
}


def subscription_rows(lines: int) -> list[str]:
    """Lines of Beijing, Guangzhou and the exchange; each 50th suspended, each 70th gone."""
    rows = []
    for index in range(lines):
        prefix, zeros = (("13900", 6), ("13901", 6), ("1065", 6))[(index % 8 == 7) * 2 or index % 2]
        number = f"+86{prefix}{index:0{zeros}d}"
        status = "suspended" if index % 50 == 7 else "active"
        until = "2026-03-05" if index % 70 == 9 else ""
        rows.append(f"S{index},A{index // 2},{number},,basic,{status},2020-01-01,{until}")
    return rows


def write_operator(root: Path, lines: int = 4000) -> Path:
    """Writes the workspace's text files and returns its folder."""
    for folder in ("network", "customers"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "operator.yaml").write_text(OPERATOR)
    for name, text in NETWORK.items():
        (root / "network" / name).write_text(text)
    accounts = "".join(f"A{index},Name {index},Street\n" for index in range((lines + 1) // 2))
    (root / "customers/accounts.csv").write_text("account_id,name,address\n" + accounts)
    header = "subscription_id,account_id,number,imsi,plan,status,valid_from,valid_to"
    (root / "customers/subscriptions.csv").write_text(
        "\n".join([header, *subscription_rows(lines)]) + "\n"
    )
    return root
