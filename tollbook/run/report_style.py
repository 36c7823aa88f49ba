"""The look of reports: one family of colours, light and dark, on screen and on paper."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root {
  color-scheme: light dark;
  --page: #f6f8f9; --card: #ffffff; --ink: #14242b; --soft: #5b6d75; --faint: #92a2a9;
  --line: #e2e8ea; --mute: #c3ced3;
  --a1: #0b5566; --a2: #17869c; --a3: #5cb5c4; --a4: #a9d9e0; --a5: #d4ecf0;
  --less: 23, 134, 156; --more: 205, 104, 48; --bar: #e9eff1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1518; --card: #151f24; --ink: #e6eef1; --soft: #9db0b8; --faint: #6d8189;
    --line: #26343b; --mute: #43545c;
    --a1: #9adbe6; --a2: #4db4c7; --a3: #2b8a9d; --a4: #1f6373; --a5: #183f4a;
    --less: 60, 170, 190; --more: 222, 130, 74; --bar: #222f36;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1080px; margin: 0 auto; padding: 48px 24px 64px; }
header { margin-bottom: 28px; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; margin: 0; }
header p { margin: 6px 0 0; color: var(--soft); }
section, .tile {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
section { padding: 22px 26px 24px; margin-top: 18px; }
h2 { font-size: 17px; font-weight: 620; margin: 0; }
section > p { margin: 2px 0 14px; color: var(--soft); font-size: 13.5px; max-width: 100ch; }
.tiles { display: flex; flex-wrap: wrap; gap: 14px; }
.tile { padding: 15px 18px 14px; flex: 1 1 auto; }
.tile b { display: block; font-size: 23px; font-weight: 640; letter-spacing: -0.01em; }
.tile small { font-size: 15px; font-weight: 560; letter-spacing: 0; }
.tile span { color: var(--soft); font-size: 13px; }
.wide { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12.5px; fill: var(--ink); }
svg .soft { fill: var(--soft); } svg .axis { fill: var(--faint); font-size: 11.5px; }
svg .strong { font-weight: 620; }
svg .right { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); } svg .mark { stroke: var(--soft); stroke-dasharray: 3 4; }
.c1 { fill: var(--a1); } .c2 { fill: var(--a2); } .c3 { fill: var(--a3); } .c4 { fill: var(--a4); }
.c5 { fill: var(--a5); } .c0 { fill: var(--mute); }
.flow .c1, .flow .c2, .flow .c3, .flow .c4, .flow .c5, .flow .c0 { opacity: 0.42; }
.legend { margin-top: 8px; display: flex; flex-wrap: wrap; gap: 4px 18px; }
.legend { font-size: 13px; color: var(--soft); }
.legend svg { width: 11px; height: 11px; display: inline-block; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { font-weight: 500; color: var(--soft); text-align: left; border-bottom: 1px solid var(--mute); }
th, td { padding: 5px 10px 5px 0; white-space: nowrap; }
td { border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; padding: 5px 0 5px 14px; }
tfoot td { font-weight: 620; border-bottom: 0; }
h3 { font-size: 14px; font-weight: 620; margin: 18px 0 6px; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(var(--n), minmax(0, 1fr)); gap: 14px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 18px 15px; display: flex; flex-direction: column; }
.card h3 { margin: 0 0 4px; font-size: 13.5px; font-weight: 560; color: var(--soft); }
.card b { font-size: 23px; font-weight: 640; letter-spacing: -0.01em; line-height: 1.25; }
.card b small { font-size: 15px; font-weight: 560; }
.card em { font-style: normal; font-size: 14px; font-weight: 620; margin-left: 8px; }
.card p { margin: 2px 0 0; color: var(--soft); font-size: 13px; }
.card .split { margin: 10px 0 5px; height: 6px; }
.less { color: rgb(var(--less)); } .more { color: rgb(var(--more)); }
.split { display: flex; gap: 1px; height: 20px; border-radius: 3px; overflow: hidden; }
.split i { display: block; min-width: 1px; }
.rows { display: grid; grid-template-columns: max-content minmax(0, 1fr) max-content; }
.rows { gap: 9px 16px; align-items: center; font-size: 13.5px; }
.rows b { font-weight: 560; max-width: 200px; overflow-wrap: anywhere; }
.rows span { color: var(--soft); }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 40px; }
p.about { margin: 0 0 4px; color: var(--soft); font-size: 13px; }
.split-key { margin-top: 12px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; }
.legend i { margin-right: 6px; }
i.c0 { background: var(--mute); }
td.d1 { background: rgba(var(--less), .08); } td.u1 { background: rgba(var(--more), .08); }
td.d2 { background: rgba(var(--less), .17); } td.u2 { background: rgba(var(--more), .17); }
td.d3 { background: rgba(var(--less), .27); } td.u3 { background: rgba(var(--more), .27); }
td.d4 { background: rgba(var(--less), .39); } td.u4 { background: rgba(var(--more), .39); }
td.d5 { background: rgba(var(--less), .54); } td.u5 { background: rgba(var(--more), .54); }
td.d6 { background: rgba(var(--less), .72); } td.u6 { background: rgba(var(--more), .72); }
i.d1 { background: rgba(var(--less), .25); } i.u1 { background: rgba(var(--more), .25); }
i.d2 { background: rgba(var(--less), .38); } i.u2 { background: rgba(var(--more), .38); }
i.d3 { background: rgba(var(--less), .52); } i.u3 { background: rgba(var(--more), .52); }
i.d4 { background: rgba(var(--less), .67); } i.u4 { background: rgba(var(--more), .67); }
i.d5 { background: rgba(var(--less), .83); } i.u5 { background: rgba(var(--more), .83); }
i.d6 { background: rgb(var(--less)); } i.u6 { background: rgb(var(--more)); }
svg .less { fill: rgb(var(--less)); } svg .more { fill: rgb(var(--more)); }
td.same { color: var(--faint); }
.heat th { vertical-align: bottom; }
.heat td.n { padding-right: 8px; } .heat th.n { padding-right: 8px; }
.heat td small { display: block; font-size: 11.5px; line-height: 1.2; opacity: 0.72; }
.heat th.b { white-space: normal; overflow-wrap: break-word; width: 13%; min-width: 100px; }
.wide + .wide { margin-top: 22px; }
.heat td.s { background: linear-gradient(to right, var(--bar) var(--s), transparent 0); }
.matrix { table-layout: fixed; font-size: 11.5px; border-spacing: 1px; border-collapse: separate; }
.matrix th { width: 132px; font-size: 13px; color: var(--ink); border: 0; vertical-align: middle; }
.matrix th { white-space: normal; overflow-wrap: anywhere; }
.matrix td { padding: 6px 1px; text-align: center; border: 0; border-radius: 3px; }
.matrix .bars td { height: 96px; padding: 0 2px; vertical-align: bottom; }
.matrix .bars th { vertical-align: bottom; color: var(--soft); }
.matrix .bars i { display: block; background: var(--mute); border-radius: 2px 2px 0 0; }
.matrix .names td { color: var(--faint); padding: 2px 0 6px; }
.matrix .names small { display: block; font-size: 11px; color: var(--soft); }
footer { margin-top: 22px; color: var(--faint); font-size: 12.5px; }
@media screen and (max-width: 760px) {
  .wide svg { min-width: 720px; } .wide .matrix { min-width: 920px; }
  main { padding: 28px 14px 40px; } section { padding: 18px 16px 20px; }
  .heat td:first-child, .heat th:first-child, .matrix th { position: sticky; left: 0; }
  .heat td:first-child, .heat th:first-child, .matrix th { background: var(--card); }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); } .pair { display: block; }
  .rows { grid-template-columns: minmax(0, 1fr); gap: 3px; } .rows span { margin-bottom: 9px; }
}
@media screen and (max-width: 480px) { .cards { grid-template-columns: minmax(0, 1fr); } }
@media print {
  :root {
    --page: #fff; --card: #fff; --ink: #14242b; --soft: #4d5d65; --faint: #76868d;
    --line: #dde4e7; --mute: #b9c5ca;
    --a1: #0b5566; --a2: #17869c; --a3: #5cb5c4; --a4: #a9d9e0; --a5: #d4ecf0;
    --less: 23, 134, 156; --more: 205, 104, 48; --bar: #e9eff1;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  @page { size: A4; margin: 14mm; }
  body { font-size: 12px; }
  main { padding: 0; max-width: none; }
  .tiles { gap: 8px; } .tile { padding: 9px 11px; } .tile b { font-size: 16px; }
  .tile small { font-size: 11px; } .tile span { font-size: 10.5px; }
  section { padding: 14px 18px 16px; margin-top: 12px; }
  table { font-size: 10.5px; } th, td { padding: 3px 8px 3px 0; }
  .wide { overflow: visible; }
  .card { padding: 9px 11px; } .card b { font-size: 16px; } .card p { font-size: 10.5px; }
  section, .tile, .card { break-inside: avoid; }
  section.long { break-inside: auto; }
  tr { break-inside: avoid; }
}
"""
