"""The CSS of the reports."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #56626f; --line: #dfe4ea; --page: #fff; --card: #f6f8fa;
  --bad: #b3261e; --odd: #8a5a00; --good: #1a6b3c; --accent: #0a5fb4; --mark: #6d28d9; }
.mark { border-color: var(--mark); }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #323b45; --page: #14181d; --card: #1d232a; --bad: #ff8a80;
    --odd: #f0c060; --good: #7fd6a0; --accent: #78b6ff; }
  .sheet img { filter: brightness(.86); }
  .key.mark { border-color: #a78bfa; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.2rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
h3, li, dd, .words th, .words td { overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--accent); }
a:focus-visible, .scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
li { margin: .15rem 0; }
.soft { color: var(--soft); font-weight: normal; }
.bad { color: var(--bad); font-weight: 600; }
.odd { color: var(--odd); }
.good { color: var(--good); font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; list-style: none; margin: .7rem 0; padding: 0; }
.scroll { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem 1.4rem .35rem 0; text-align: right;
  vertical-align: top; }
thead th { color: var(--soft); font-weight: normal; overflow-wrap: normal; }
tbody th { font-weight: 600; }
tfoot th, tfoot td { border-bottom: 0; font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.words th, .words td { text-align: left; }
.words tbody th { font-weight: normal; min-width: 9rem; max-width: 22rem; }
.words td:last-child { min-width: 15rem; }
.words td.bad { white-space: nowrap; overflow-wrap: normal; }
@media (max-width: 640px) {
  body { padding: 1.2rem .9rem 3rem; }
  h1 { font-size: 1.4rem; }
  table { font-size: .88rem; }
  th, td { padding-right: .6rem; }
  .words thead { display: none; }
  .words, .words tbody, .words tr, .words tbody th, .words td { display: block; max-width: none; border: 0;
    padding: 0; }
  .words tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .words tbody th { font-weight: 600; }
}
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--soft); width: fit-content; }
dl { margin: .4rem 0; }
dl div { display: grid; grid-template-columns: minmax(7rem, 10rem) 1fr; gap: 1rem; padding: .1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.key { display: inline-block; width: .85em; height: .85em; border: 2px solid; border-radius: 2px; margin-right: .35em;
  vertical-align: -.05em; }
section { content-visibility: auto; contain-intrinsic-size: auto 300px; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .9rem; list-style: none;
  padding: 0; }
.sheet li { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.sheet li:hover, .sheet li:focus-within { border-color: var(--accent); }
.sheet li.odd-page { border-color: var(--odd); }
.sheet li.note { grid-column: 1 / -1; padding: .35rem .5rem; color: var(--soft); }
.sheet a { display: block; height: 100%; color: inherit; text-decoration: none; }
.sheet a > span { display: block; padding: .35rem .55rem; font-size: .8rem; line-height: 1.35; }
.sheet a > .odd { padding-top: 0; }
.sheet a > .picture { position: relative; padding: 0; }
.sheet img { display: block; width: 100%; height: auto; background: #fff; }
.sheet .mark { position: absolute; border: 2px solid var(--mark); box-shadow: 0 0 0 1px #fffc; margin: -3px;
  box-sizing: content-box; min-width: 4px; min-height: 4px; padding: 1px; border-radius: 2px; }
@media (max-width: 640px) { .sheet { grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: .6rem; } }
@media print { section { content-visibility: visible; } }
"""
