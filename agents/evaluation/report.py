"""`report.html`: table, figures and provenance in one file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.evaluation.results import AgentResult, table

_CAPTIONS = {
    "scr.png": "Mean SCR with its 95 % bootstrap interval (circle), and the SCR of "
    "each instance (dots).",
    "profile.png": "Performance profile: on which share of the instances an agent is "
    "above a threshold. Further right is better.",
    "latency.png": "Quality against decision time on one thread. Further up and left "
    "is better; trained agents are hollow.",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto;
  padding: 0 1rem; color: #222; }}
.wide {{ overflow-x: auto; }}
p, figure, dl {{ max-width: 56rem; }}
table {{ border-collapse: collapse; font-size: 13px;
  font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: right;
  white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
figure {{ margin: 2rem 0; }}
img {{ max-width: 100%; }}
figcaption, dd {{ color: #555; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
<h2>How this was made</h2>
<dl>
{facts}
</dl>
</body>
</html>
"""


def to_html(
    results: Sequence[AgentResult],
    figures: Mapping[str, bytes],
    about: Mapping[str, Any],
) -> str:
    """Returns the page, self-contained and without scripts."""
    heading, rows = table(results)
    of_episodes = bool(results) and results[0].has_migrations
    introduction = (
        f"{_of_episodes(about) if of_episodes else _of_scenarios(about)} "
        "the gap is bound / SCR − 1. "
        f"{html.escape(about['bound'] + ' ' if 'bound' in about else '')}"
        "IQM is the mean of the middle half; intervals are 95 % bootstrap. Delay "
        f"and energy are means over users{' and slots' if of_episodes else ''}. "
        "Decisions were timed one after another on one thread."
    )
    parts = [f"<p>{introduction}</p>", to_table(heading, rows)]
    parts += [to_figure(png, _CAPTIONS[name]) for name, png in figures.items()]
    system = about.get("preset", about.get("config"))
    return page(f"Agents on {system}", "\n".join(parts), about)


def page(title: str, body: str, about: Mapping[str, Any]) -> str:
    """Returns a page, self-contained and without scripts.

    Args:
        title: as text.
        body: as HTML.
        about: what made it.
    """
    return _PAGE.format(
        title=html.escape(title),
        body=body,
        facts="\n".join(
            f"<dt>{html.escape(key)}</dt><dd>{html.escape(_shown(value))}</dd>"
            for key, value in about.items()
        ),
    )


def to_table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Returns a table of texts as HTML."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heading)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def to_figure(png: bytes, caption: str) -> str:
    """Returns a picture with its caption as HTML, the picture within it."""
    text, data = html.escape(caption), base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _of_scenarios(about: Mapping[str, Any]) -> str:
    return (
        f"Every agent decided on the same {about['instances']} test scenarios. SCR is "
        "the service-cost ratio, total score over total cost: higher is better. "
        "Optimality is its share of the certified upper bound, which no allocation can "
        "exceed;"
    )


def _of_episodes(about: Mapping[str, Any]) -> str:
    return (
        f"Every agent decided in the same {about['instances']} test episodes, slot "
        "after slot. SCR is the service-cost ratio of an episode, total score over "
        "total cost, migrations included: higher is better. Optimality is its share of "
        "the certified upper bound, which nobody can exceed, whatever is known of the "
        "future;"
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
    return str(value)
