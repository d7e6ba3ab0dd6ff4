"""The CSS of a training's report, in addition to the style that it shares with the dataset's report."""

from training.reports.style import STYLE as COMMON_STYLE

STYLE = (
    COMMON_STYLE
    + """
:root { --ink0: #0a5fb4; --ink1: #c2410c; --ink2: #1a7f4b; --ink3: #7c3aed; --fault: #d7142a; }
@media (prefers-color-scheme: dark) {
  :root { --ink0: #78b6ff; --ink1: #ffa877; --ink2: #7fd6a0; --ink3: #c4a7ff; }
  .pages img { filter: brightness(.86); } }
.state { font-size: 1.05rem; margin: .2rem 0 .6rem; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1.1rem 0; padding: 0; list-style: none; }
.figures li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .55rem .95rem;
  margin: 0; min-width: 6.5rem; flex: 1 1 6.5rem; }
.figures b { display: block; font-size: 1.3rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: .85rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem .8rem .5rem; display: flex; flex-direction: column; }
figcaption { font-size: .85rem; min-height: 2.7em; }
figure svg { margin-top: auto; }
figcaption .line { white-space: nowrap; color: var(--soft); margin-left: .6rem; }
figcaption i { display: inline-block; width: 1.1em; border-top: 2.5px solid; vertical-align: .25em;
  margin-right: .3em; }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg path { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
svg .faint { opacity: .35; stroke-width: 1; }
svg text { fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .y, svg .name { text-anchor: end; }
svg .x, svg .mark text { text-anchor: middle; }
svg path.grid { stroke: var(--line); stroke-width: 1; }
svg .mark path { stroke: var(--odd); stroke-dasharray: 4 3; stroke-width: 1.2; }
svg .mark text { fill: var(--odd); font-weight: 600; font-size: 10px; }
.ink0 { stroke: var(--ink0); border-color: var(--ink0); } circle.ink0 { fill: var(--ink0); }
.ink1 { stroke: var(--ink1); border-color: var(--ink1); } circle.ink1 { fill: var(--ink1); }
.ink2 { stroke: var(--ink2); border-color: var(--ink2); } circle.ink2 { fill: var(--ink2); }
.ink3 { stroke: var(--ink3); border-color: var(--ink3); } circle.ink3 { fill: var(--ink3); }
.whole { white-space: nowrap; }
td.says, th.says { text-align: left; overflow-wrap: anywhere; min-width: 11rem; }
.pages { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 1rem;
  list-style: none; padding: 0; align-items: start; }
.pages li { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.pages img { display: block; width: 100%; height: auto; background: #fff; }
.pages p { margin: 0; padding: .45rem .7rem; font-size: .83rem; overflow-wrap: anywhere; }
.legend span { white-space: nowrap; margin-right: .6rem; }
.area { display: inline-block; width: 1em; height: .8em; border-radius: 2px; margin: 0 .25em 0 .1em;
  vertical-align: -.05em; }
.area.found { background: #2878dc55; } .area.missed { background: #f5960099; }
.area.right { border: 2px solid #145ac8; } .area.wrong { border: 2px solid var(--fault); }
@media (max-width: 640px) { .figures b { font-size: 1.1rem; } figcaption { min-height: 0; margin-bottom: .3rem; } }
@media print { figure, .pages li { break-inside: avoid; } }
"""
)
