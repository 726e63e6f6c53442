"""`report.html`: table, figures and provenance in one file."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
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
<p>{introduction}</p>
<div class="wide"><table>
<thead><tr>{heading}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
{figures}
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
    return _PAGE.format(
        title=f"Agents on {html.escape(str(about['preset']))}",
        introduction=(
            f"{_of_episodes(about) if of_episodes else _of_scenarios(about)} "
            "the gap is bound / SCR − 1. "
            f"{html.escape(about['bound'] + ' ' if 'bound' in about else '')}"
            "IQM is the mean of the middle half; intervals are 95 % bootstrap. Delay "
            f"and energy are means over users{' and slots' if of_episodes else ''}. "
            "Decisions were timed one after another on one thread."
        ),
        heading="".join(f"<th>{html.escape(name)}</th>" for name in heading),
        rows="\n".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        ),
        figures="\n".join(
            f'<figure><img alt="{html.escape(_CAPTIONS[name])}" '
            f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
            f"<figcaption>{html.escape(_CAPTIONS[name])}</figcaption></figure>"
            for name, png in figures.items()
        ),
        facts="\n".join(
            f"<dt>{html.escape(key)}</dt><dd>{html.escape(_shown(value))}</dd>"
            for key, value in about.items()
        ),
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
