"""A decision on a case in words: who is where, what binds, what more would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import dashf
from agents.evaluation.cases.deciding import Decision
from mec_llm_env import Scenario

_PHASES = ("local", "uplink", "server", "downlink")
_MOST_NAMED = 12  # servers or users in a sentence
_LITTLE = 5e-5  # of the SCR, that one more unit does not count as a gain


def phase_costs(decision: Decision) -> dict[str, Any]:
    """Returns what each phase of a user's work costs, [N] each; they sum to its cost.

    A migration, where there is one, is a phase of its own.
    """
    o, outcome = decision.case.objective, decision.outcome
    phases = list(_PHASES)
    if decision.case.scenario.serving is not None:
        phases.append("migration")
    costs = {}
    for phase in phases:
        cost = o.delay_cost_per_s * getattr(outcome, f"delay_{phase}_s")
        # That of the download is charged by some objectives only.
        energy = getattr(outcome, f"energy_{phase}_j", None)
        costs[phase] = cost if energy is None else cost + o.energy_cost_per_j * energy
    return costs


def where_it_stands(decisions: Sequence[Decision], bound: dashf.Bound | None) -> str:
    """Returns how good the best decision is, beside the bound and the others.

    Args:
        decisions: on one case, the best first.
        bound: certified.
    """
    best = decisions[0]
    text = f"{best.label} decides best: SCR {best.scr:.5g}"
    if bound is not None:
        value = float(bound.value)
        share = _percent_down(best.scr / value)
        text += (
            f", at least {share} of the best that any decision can reach (certified "
            f"bound {value:.5g})" + _own_certificate(decisions, bound)
        )
    others = [d for d in decisions[1:] if d.label != best.label]
    if others:
        second, last = others[0], others[-1]
        text += f". {second.label} reaches {second.scr:.5g}"
        if last is not second:
            text += f", {last.label}, the last, {last.scr:.5g}"
    return text + "."


def _own_certificate(decisions: Sequence[Decision], bound: dashf.Bound) -> str:
    """Returns a sentence on the lowest bound of a solver, if it is below the other."""
    own = {d.own_bound: d.label for d in decisions if d.own_bound is not None}
    lowest = min(own, default=np.inf)
    if lowest > float(bound.value) * (1 - _LITTLE / 10):
        return ""
    share = _percent_down(decisions[0].scr / lowest)
    return f". {own[lowest]} itself certifies {lowest:.5g}, of which that is {share}"


def what_binds(decision: Decision) -> list[str]:
    """Returns sentences on the capacities and limits that hold a decision back."""
    s, e = decision.case.scenario, decision.explanation
    sentences = []
    for what, binds, used in (
        ("Bandwidth", e.bandwidth_binds, e.bandwidth_used),
        ("Compute", e.compute_binds, e.compute_used),
    ):
        idle = (used < 1 - 1e-4) & (e.load > 0)
        sentence = (
            f"{what} binds at {_servers(np.flatnonzero(binds), s)}"
            if binds.any()
            else f"{what} binds nowhere"
        )
        if idle.any():
            where = np.flatnonzero(idle)
            sentence += f" and is partly idle at {_servers(where, s, used)}"
        sentences.append(sentence + ".")
    if (e.slots_bind & (s.max_users < s.n_users)).any():
        full = np.flatnonzero(e.slots_bind & (s.max_users < s.n_users))
        sentences.append(f"All slots are taken at {_servers(full, s)}.")
    if (e.load == 0).any():
        empty = _servers(np.flatnonzero(e.load == 0), s)
        sentences.append(f"Nobody is served at {empty}.")
    sentences.append(_limits(decision))
    return sentences


def _limits(decision: Decision) -> str:
    s, e = decision.case.scenario, decision.explanation
    text = (
        f"{_of(e.power_binds).capitalize()} of {count(s.n_users, 'user')} at full "
        f"transmit power, {_of(e.frequency_binds)} with the own GPU at its maximum"
    )
    free = s.local_fraction_max > s.local_fraction_min * (1 + 1e-4)
    if free.any():
        text += (
            f"; {_of(e.least_local & free)} with as few layers of their own as they "
            f"may have, {_of(e.most_local & free)} with as many"
        )
    if s.n_servers > 1:
        away = decision.allocation.server != s.channel_gain.argmax(axis=-1)
        text += f"; {_of(away)} away from the server of the strongest channel"
    return f"{text}."


def _of(mask: Any) -> str:
    count = int(mask.sum())
    return "all" if count == len(mask) else "none" if count == 0 else str(count)


def what_more_gives(decision: Decision) -> list[str]:
    """Returns sentences on where one more MHz or GHz pays, and where it does not."""
    e = decision.explanation
    sentences = []
    for unit, price, whole, noun in (
        ("MHz", e.price_per_mhz, e.scr_per_mhz, "band"),
        ("GHz", e.price_per_ghz, e.scr_per_ghz, "GPU frequency"),
    ):
        m = int(price.argmax())
        sentences.append(
            f"One more {unit} pays most at S{m}: to share, {price[m]:+.3g} of SCR "
            f"({100 * price[m] / decision.scr:+.2g} %); as a larger {noun} of the "
            f"server, {whole[m]:+.3g}."
            if price[m] > _LITTLE * decision.scr
            else f"One more {unit} to share would give nothing anywhere."
        )
        lost = np.flatnonzero(whole < -_LITTLE * decision.scr)
        if len(lost):
            sentences.append(
                f"A larger {noun} would lower the SCR at "
                f"{_servers(lost, decision.case.scenario)}, as the score counts a "
                "user's share of it: the same share-out would be worth less."
            )
    return sentences


def who_costs_most(decision: Decision, most: int = 3) -> str:
    """Returns a sentence on the users with the highest cost, and what it is made of."""
    e, costs = decision.explanation, phase_costs(decision)
    most = min(most, len(e.cost_share))
    top = (-e.cost_share).argsort(kind="stable")[:most]
    total = {phase: float(cost.sum()) for phase, cost in costs.items()}
    whole = sum(total.values())
    made_of = sorted(total, key=lambda phase: -total[phase])[:2]
    phases = " and ".join(f"{p} {100 * total[p] / whole:.0f} %" for p in made_of)
    named = ", ".join(f"{n} ({100 * e.cost_share[n]:.0f} %)" for n in top)
    users = len(e.contribution)
    below = int((e.contribution < -1e-9 * decision.outcome.score).sum())
    return (
        f"Most cost: user{'s' if most > 1 else ''} {named}. Of the total cost, "
        f"{phases}."
    ) + (
        f" {below} of {count(users, 'user')} bring less score than their cost takes at "
        "this SCR: without them the ratio of the others would be higher."
        if below
        else ""
    )


def _servers(numbers: Any, s: Scenario, used: Any = None) -> str:
    """Returns the names of servers, with how much of each is used, if given."""
    if len(numbers) == s.n_servers and used is None:
        return "all servers" if s.n_servers > 1 else "the server"
    named = [
        f"S{m}" + ("" if used is None else f" ({100 * used[m]:.0f} % used)")
        for m in numbers[:_MOST_NAMED]
    ]
    if len(numbers) > _MOST_NAMED:
        return f"{', '.join(named)} and {len(numbers) - _MOST_NAMED} more"
    return ", ".join(named)


def count(number: int, noun: str) -> str:
    """Returns a number with its noun, such as "1 user" or "3 users"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _percent_down(share: float) -> str:
    """Returns a share that is at least so much, so never rounded up."""
    digits = 1 if share < 0.99 else 2
    floor = np.floor(share * 100 * 10**digits) / 10**digits
    return f"{floor:.{digits}f} %"
