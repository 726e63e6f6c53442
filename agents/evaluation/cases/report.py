"""The report on cases of one's own: what was decided and why, then who decided how."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import dashf
from agents.evaluation.cases.deciding import Decision
from agents.evaluation.cases.words import (
    count,
    phase_costs,
    what_binds,
    what_more_gives,
    where_it_stands,
    who_costs_most,
)
from agents.evaluation.report import page, to_figure, to_table
from agents.evaluation.results import AgentResult, by_scr

#: Cases that are shown in full, and users and servers of each, at most.
MOST_SHOWN, MOST_USERS, MOST_SERVERS = 12, 20, 30

_CAPTIONS = {
    "quality.png": "How good each agent's decisions are. A marker is a case.",
    "time.png": "Quality against decision time on one thread. Further up and left is "
    "better.",
}
_SERVER_HEADING = (
    *("server", "users", "band MHz", "used", "price λ", "1 MHz to share"),
    *("1 MHz wider", "GPU GHz", "used", "price μ", "1 GHz to share", "1 GHz faster"),
)
_SERVER_NOTE = (
    "λ and μ are the prices of the whole band and the whole frequency at this "
    "decision, in points of score; 0 means that more would be of no use. “To share” is "
    "what one more MHz or GHz gives, in SCR and to first order, if nothing else "
    "changes: the price. “Wider” and “faster” are what a larger capacity gives: the "
    "score counts shares of it, and the server's power is spread over its band, so "
    "that it is less, and can be negative."
)
_USER_HEADING = (
    *("user", "server", "gain dB", "φ", "power W", "band MHz", "own GPU GHz"),
    *("server GHz", "delay s", "energy J", "score", "mostly", "of the cost"),
    "contribution",
)
_USER_NOTE = (
    "Users with the highest cost first. A star: another server has a stronger channel. "
    "φ is the share of the layers that the user trains. “Mostly” is the phase of the "
    "work that costs most, with its share. The contribution is score less SCR times "
    "cost: below 0, the user lowers the ratio."
)


def report(
    decided: Sequence[Sequence[Decision]],
    bounds: Sequence[dashf.Bound] | None,
    results: Sequence[AgentResult],
    figures: Mapping[str, bytes],
    pictures: Sequence[bytes],
    about: Mapping[str, Any],
) -> str:
    """Returns the page, self-contained and without scripts.

    Args:
        decided: the decisions on each case, the best first.
        bounds: certified, of each case.
        results: of all agents.
        figures: of the comparison, PNG by file name.
        pictures: of the best decision on the first cases, PNG.
        about: what made them.
    """
    parts = [] if len(decided) == 1 else [_overview(decided, bounds)]
    for i, decisions in enumerate(decided[:MOST_SHOWN]):
        bound = None if bounds is None else bounds[i]
        parts.append(_case(decisions, bound, pictures[i]))
    if len(decided) > MOST_SHOWN:
        parts.append(
            _p(
                f"The first {MOST_SHOWN} of {len(decided)} cases are shown in full; "
                "the folder `cases` has all."
            )
        )
    heading, rows = agent_table(results)
    parts += ["<h2>Agents</h2>", _p(_introduction(about, len(decided)))]
    parts.append(to_table(heading, rows))
    if len(decided) > 1:
        parts.append(_by_case(decided, [result.label for result in by_scr(results)]))
    parts += [to_figure(png, _CAPTIONS[name]) for name, png in figures.items()]
    names = [decisions[0].case.name for decisions in decided]
    title = names[0] if len(names) == 1 else f"{len(names)} cases"
    return page(f"What was decided: {title}", "\n".join(parts), about)


def agent_table(results: Sequence[AgentResult]) -> tuple[list[str], list[list[str]]]:
    """Returns the heading and the formatted rows, best agent first."""
    several = results[0].scr.shape[1] > 1
    bounded = results[0].bound is not None
    heading = ["agent", "mean SCR" if several else "SCR"]
    heading += ["of the bound"] if bounded else []
    heading += ["worst"] if several else []
    heading += ["gap"] if bounded else []
    heading += ["score", "delay s", "energy J", "decision ms", "violation"]
    rows = []
    for result in by_scr(results):
        f, runs = result.summary, len(result.measurements)
        row = [result.label + (f" ({runs} runs)" if runs > 1 else "")]
        row += [_number(f["scr_mean"], digits=5)]
        if bounded:
            row += [f"{f['optimality_mean']:.4f}"]
            row += [f"{f['optimality_worst']:.4f}"] if several else []
            row += [f"{100 * f['gap_mean']:.2f} %"]
        elif several:
            row += [_number(f["scr_worst"], digits=5)]
        row += [_number(f["score_mean"]), _number(f["delay_s_mean"])]
        row += [_number(f["energy_j_mean"])]
        row += [_number(1e3 * f["decision_time_s_median"]), f"{f['violation_max']:.0e}"]
        rows.append(row)
    return heading, rows


def _introduction(about: Mapping[str, Any], count: int) -> str:
    cases = "the case" if count == 1 else f"the same {count} cases"
    bounded = (
        "No decision can exceed the certified bound; the gap is bound / SCR − 1. "
        if "bound" not in about
        else f"{about['bound']} "
    )
    return (
        f"Every agent decided {cases}. SCR is the service-cost ratio, total score over "
        f"total cost: higher is better. {bounded}Score, delay and energy are means "
        "over users. Decisions were timed one after another on one thread."
    )


def _overview(
    decided: Sequence[Sequence[Decision]], bounds: Sequence[dashf.Bound] | None
) -> str:
    heading = ["case", "users", "servers", "decided best by", "SCR"]
    heading += ["of the bound"] if bounds is not None else []
    heading += ["bandwidth binds", "compute binds"]
    rows = []
    for i, decisions in enumerate(decided):
        best = decisions[0]
        s, e = best.case.scenario, best.explanation
        row = [best.case.name, str(s.n_users), str(s.n_servers), best.label]
        row += [_number(best.scr, digits=5)]
        row += [] if bounds is None else [f"{best.scr / float(bounds[i].value):.4f}"]
        for binds in (e.bandwidth_binds, e.compute_binds):
            row.append(f"at {int(binds.sum())} of {s.n_servers}")
        rows.append(row)
    return "<h2>Cases</h2>" + to_table(heading, rows)


def _by_case(decided: Sequence[Sequence[Decision]], labels: Sequence[str]) -> str:
    rows = []
    for decisions in decided:
        row = [decisions[0].case.name]
        for label in labels:
            scr = [d.scr for d in decisions if d.label == label]
            row.append(_number(float(np.mean(scr)), digits=5))
        rows.append(row)
    return "<h3>SCR of each case</h3>" + to_table(["case", *labels], rows)


def _case(
    decisions: Sequence[Decision], bound: dashf.Bound | None, picture: bytes
) -> str:
    best = decisions[0]
    s = best.case.scenario
    parts = [
        f"<h2>{html.escape(best.case.name)}: {count(s.n_users, 'user')}, "
        f"{count(s.n_servers, 'server')}</h2>",
        _p(where_it_stands(decisions, bound)),
    ]
    sentences = [*what_binds(best), *what_more_gives(best), who_costs_most(best)]
    parts.append("<ul>" + "".join(f"<li>{html.escape(t)}</li>" for t in sentences))
    parts.append("</ul>")
    caption = (
        f"The decision of {best.label}: who is where, the shares of each server, and "
        "delay and energy of each user by phase."
    )
    parts.append(to_figure(picture, caption))
    parts += [_servers(best, bound), _users(best)]
    return "\n".join(parts)


def _servers(best: Decision, bound: dashf.Bound | None) -> str:
    s, e = best.case.scenario, best.explanation
    # Of this decision, as all else in the table; the certificate's are in the files.
    prices = e.bandwidth_price, e.compute_price
    rows = []
    for m in _highest(prices[0] + prices[1], MOST_SERVERS):
        rows.append(
            [
                *(f"S{m}", f"{e.load[m]:.0f}"),
                *(_number(s.bandwidth_max_hz[m] / 1e6), _percent(e.bandwidth_used[m])),
                *(_number(prices[0][m], 1e-3), _signed(e.price_per_mhz[m], best.scr)),
                _signed(e.scr_per_mhz[m], best.scr),
                _number(s.server_frequency_max_hz[m] / 1e9),
                _percent(e.compute_used[m]),
                *(_number(prices[1][m], 1e-3), _signed(e.price_per_ghz[m], best.scr)),
                _signed(e.scr_per_ghz[m], best.scr),
            ]
        )
    return (
        "<h3>Servers: what binds, and what one more MHz or GHz would give</h3>"
        + to_table(_SERVER_HEADING, rows)
        + _p(_SERVER_NOTE + _left_out(s.n_servers, MOST_SERVERS))
    )


def _users(best: Decision) -> str:
    s, z, outcome = best.case.scenario, best.allocation, best.outcome
    e, costs = best.explanation, phase_costs(best)
    phases, table = list(costs), np.stack(list(costs.values()))
    server = z.server
    rows = []
    for n in (-e.cost_share).argsort(kind="stable")[:MOST_USERS]:
        m = server[n]
        star = "*" if s.channel_gain[n, m] < s.channel_gain[n].max() else ""
        main = int(table[:, n].argmax())
        rows.append(
            [
                *(str(n), f"S{m}"),
                f"{10 * np.log10(s.channel_gain[n, m]):.0f}{star}",
                f"{z.local_fraction[n]:.3f}",
                _number(z.transmit_power_w[n]),
                _number(z.bandwidth_hz[n] / 1e6),
                _number(z.user_frequency_hz[n] / 1e9),
                _number(z.server_frequency_hz[n] / 1e9),
                *(_number(outcome.delay_s[n]), _number(outcome.energy_j[n])),
                _number(outcome.score[n]),
                f"{phases[main]} {_percent(table[main, n] / table[:, n].sum())}",
                *(_percent(e.cost_share[n], 1), f"{e.contribution[n]:+.1f}"),
            ]
        )
    return (
        "<h3>Users: who is where, and who costs most</h3>"
        + to_table(_USER_HEADING, rows)
        + _p(_USER_NOTE + _left_out(s.n_users, MOST_USERS))
    )


def _highest(values: Any, count: int) -> list[int]:
    """Returns the numbers of the highest values, in their own order."""
    return sorted(int(i) for i in (-values).argsort(kind="stable")[:count])


def _left_out(count: int, most: int) -> str:
    return f" The first {most} of {count} are shown." if count > most else ""


def _p(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _number(value: float, least: float = 0.0, digits: int = 4) -> str:
    """Returns three or more digits; what is below the least is 0."""
    if abs(value) < least or value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.{digits}g}"


def _signed(value: float, scr: float) -> str:
    """Returns a change of SCR; one of less than a millionth of it is 0."""
    return "0" if abs(value) < 1e-6 * scr else f"{value:+.3g}"


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
