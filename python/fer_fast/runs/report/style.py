"""The report's look: light and dark, phone and desktop, screen and paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1c1f24; --soft: #5b6470; --paper: #fff; --card: #f4f6f8;
  --rule: #d9dee4; --main: #0b6e99; --other: #8a6d1f; --warn: #8a3b00; --warnbg: #fff3e6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a3adba; --paper: #15181d;
  --card: #1e232a; --rule: #39414c; --main: #58b8e0; --other: #d7b45a; --warn: #ffb37a;
  --warnbg: #33230f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
p { margin: .4rem 0; } .soft-text, figcaption, .legend { color: var(--soft); font-size: .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem;
  margin: 1rem 0; }
.card { background: var(--card); border-radius: .5rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.warn { background: var(--warnbg); color: var(--warn); border-radius: .5rem; padding: .6rem 1rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem 2rem; align-items: start; }
figure { margin: 0; break-inside: avoid; min-width: 0; }
svg { width: 100%; max-width: 34rem; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg text.b { font-weight: 600; }
svg text.s { fill: var(--soft); font-size: 12px; } svg text.on { fill: var(--paper);
  font-size: 12px; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .level { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg .main { fill: var(--main); stroke: none; } svg .other { fill: var(--other); stroke: none; }
svg .soft { fill-opacity: .6; }
svg .range { stroke-width: 3; stroke-opacity: .45; } svg .range.main { stroke: var(--main); }
svg .range.other { stroke: var(--other); }
svg .line { fill: none; stroke-width: 2; } svg .line.main { stroke: var(--main); }
svg .line.other { stroke: var(--other); }
.legend span { margin-right: 1rem; white-space: nowrap; } .legend i { display: inline-block;
  width: .8em; height: .8em; border-radius: 50%; margin-right: .35em; }
.legend i.main { background: var(--main); } .legend i.other { background: var(--other); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; overflow-wrap: normal;
  font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
table.words td:last-child { overflow-wrap: anywhere; }
table.heat td { position: relative; } table.heat td i { position: absolute; inset: 1px;
  background: var(--main); opacity: calc(var(--v) * .6); z-index: -1; }
table.heat { position: relative; z-index: 0; }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.5rem, 1fr)); gap: .8rem; }
.faces img { width: 100%; height: auto; image-rendering: pixelated; border-radius: .3rem; }
details { margin: .4rem 0; } summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
pre { background: var(--card); padding: .7rem 1rem; border-radius: .5rem; overflow-x: auto;
  font-size: .85rem; white-space: pre-wrap; }
details.run > summary { font-size: 1.1rem; color: var(--ink); margin-top: 2rem; }
@media print { body { max-width: none; font-size: 11pt; } .plots { display: block; }
  h2 { break-after: avoid; } details:not([open]) > summary { display: none; } }
"""
