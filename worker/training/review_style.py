"""How the review page looks."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5b6875; --line: #dfe4ea; --page: #fff; --card: #f6f8fa;
  --bad: #b3261e; --odd: #9a6700; --accent: #0b6bcb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #323b45; --page: #14181d;
  --card: #1d232a; --bad: #ff8a80; --odd: #f0c060; --accent: #78b6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.2rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--accent); }
code { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-weight: normal; }
.bad { color: var(--bad); font-weight: 600; }
.odd { color: var(--odd); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .9rem .35rem 0; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
.words td { text-align: left; overflow-wrap: anywhere; }
.words td:first-child { min-width: 9rem; }
.words td.bad { white-space: nowrap; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em;
  vertical-align: -.05em; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .9rem; }
.sheet a { display: block; color: inherit; text-decoration: none; background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.sheet a:hover, .sheet a:focus { border-color: var(--accent); outline: none; }
.sheet a.odd-page { border-color: var(--odd); }
.sheet img { display: block; width: 100%; height: auto; background: #fff; }
.sheet span { display: block; padding: .35rem .5rem; font-size: .8rem; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
"""
