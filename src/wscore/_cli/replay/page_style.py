"""How the page of a recording looks, in light and dark, and the little that moves on it."""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPT", "STYLE"]

STYLE: Final = """
:root { color-scheme: light dark; --ground: #fff; --text: #1c1e21; --quiet: #5c6470; --line: #d5d9df; --box: #f4f6f8;
  --accent: #0b63ce; --app: #7a3e9d; --bad: #b3261e; --badground: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --text: #e6e8eb; --quiet: #9aa3ae; --line: #343a42;
  --box: #1e2329; --accent: #6fb1ff; --app: #cf9df0; --bad: #ff8a80; --badground: #3a1d1b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 1rem; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
.quiet, dt { color: var(--quiet); }
.verdict { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .75rem; overflow-wrap: anywhere; }
.verdict.differs { border-color: var(--bad); background: var(--badground); }
main { display: grid; grid-template-columns: minmax(0, 1fr) 340px; gap: 1.5rem; }
aside { position: sticky; top: 0; align-self: start; }
.states { width: 100%; height: auto; display: block; }
.states text { font: 11px system-ui, sans-serif; text-anchor: middle; fill: var(--quiet); }
.states rect { fill: var(--box); stroke: var(--line); }
.states .entered rect { stroke: var(--accent); stroke-width: 1.5; }
.states .entered text { fill: var(--text); font-weight: 600; }
.states .now rect { fill: var(--accent); }
.states .now text { fill: var(--ground); }
.states .edge { fill: none; stroke: var(--line); }
.states .edge.taken { stroke: var(--accent); stroke-width: 2; }
.rows { border-top: 1px solid var(--line); }
.row { border-bottom: 1px solid var(--line); }
.row.differs { background: var(--badground); }
summary, .head { display: grid; grid-template-columns: 5.2rem 8.4rem minmax(0, 1fr); gap: .5rem; align-items: center;
  padding: .2rem 0; }
summary { cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:focus-visible { outline: 2px solid var(--accent); }
.head { color: var(--quiet); font-size: .8rem; }
.time { text-align: right; font-variant-numeric: tabular-nums; color: var(--quiet); }
.title { overflow-wrap: anywhere; }
.lanes { display: block; width: 100%; height: 20px; }
.lanes line { stroke: var(--line); }
.lanes .peer { stroke: var(--accent); fill: var(--accent); }
.lanes .application { stroke: var(--app); fill: var(--app); }
.lanes .event { stroke: var(--quiet); fill: var(--quiet); }
.state { font-size: .75rem; border: 1px solid var(--accent); border-radius: 4px; padding: 0 .3rem; margin-left: .4rem;
  white-space: nowrap; }
.more { padding: .25rem 0 .75rem 5.7rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem .75rem; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--box); border-radius: 6px; padding: .5rem; margin: .5rem 0 0; overflow-x: auto;
  font: 12px/1.4 ui-monospace, monospace; }
@media (max-width: 820px) { main { grid-template-columns: minmax(0, 1fr); } aside { position: static; order: -1; }
  .states { max-width: 380px; margin: 0 auto; } }
@media (max-width: 520px) { body { padding: .6rem; font-size: 14px; }
  summary, .head { grid-template-columns: 3.9rem 4.6rem minmax(0, 1fr); gap: .35rem; } .more { padding-left: .5rem; }}
"""

SCRIPT: Final = """
for (const row of document.querySelectorAll('details.row')) {
  row.addEventListener('toggle', () => {
    if (!row.open) return;
    for (const node of document.querySelectorAll('.states .node'))
      node.classList.toggle('now', node.dataset.state === row.dataset.state);
  });
}
"""
