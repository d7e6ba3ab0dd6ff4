"""The head of a self-contained page, which may show what it carries and nothing else: no script runs and nothing is
fetched, whatever names and messages of others are in it.
"""

from training.review_text import text


def page_head(title: str, style: str) -> str:
    """From the doctype to the opened body."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<style>{style}</style></head>
<body>
"""


def scrolled(label: str) -> str:
    """Opens what may be wider than a phone, up to its `</div>`; one that scrolls must be reached by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">'
