"""Decisions on cases as files: an allocation as CSV and JSON, and its picture."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

import dashf
from agents.evaluation.cases.deciding import Decision
from agents.evaluation.cases.reading import Case, as_name
from agents.evaluation.results import to_csv
from mec_llm_env import Allocation

#: Those that are there: migrations and the energy of the download need not be.
_OUTCOME = (
    *("score", "cost", "delay_s", "energy_j", "uplink_rate"),
    *("delay_local_s", "delay_uplink_s", "delay_server_s", "delay_downlink_s"),
    *("delay_migration_s", "energy_local_j", "energy_uplink_j", "energy_server_j"),
    *("energy_downlink_j", "energy_migration_j"),
)


def file_names(decisions: Sequence[Decision]) -> list[str]:
    """Returns a name for each decision on one case: its agent's, and its number."""
    labels = [decision.label for decision in decisions]
    names: list[str] = []
    for label in labels:
        stem = as_name(label)
        several = labels.count(label) > 1 or stem in names
        k = sum(name.startswith(stem) for name in names)
        names.append(f"{stem}-{k}" if several else stem)
    return names


def allocation_csv(decision: Decision) -> str:
    """Returns a row a user: what it was granted, and what that comes to."""
    z, outcome, e = decision.allocation, decision.outcome, decision.explanation
    names = [name for name in Allocation.field_names() if name != "association"]
    columns: dict[str, Any] = {"server": z.server}
    columns |= {name: getattr(z, name) for name in names}
    outcomes = {name: getattr(outcome, name) for name in _OUTCOME}
    columns |= {name: value for name, value in outcomes.items() if value is not None}
    columns |= {"cost_share": e.cost_share, "contribution": e.contribution}
    rows = zip(*(value.tolist() for value in columns.values()), strict=True)
    heading = ["user", *columns]
    return to_csv([heading, *([n, *row] for n, row in enumerate(rows))])


def decision_json(decision: Decision, bound: dashf.Bound | None) -> str:
    """Returns a decision with its explanation, every digit kept.

    Its "allocation" is what `Allocation.from_server` takes.
    """
    z = decision.allocation.to_dict()
    z.pop("association")
    content = {
        "case": decision.case.name,
        "agent": decision.label,
        "run": decision.run or None,
        "status": decision.status.value,
        "scr": decision.scr,
        "upper_bound": None if bound is None else float(bound.value),
        "own_upper_bound": decision.own_bound,
        "violation": decision.violation,
        "decision_time_s": decision.time_s,
        "allocation": {
            "server": decision.allocation.server.tolist(),
            "n_servers": decision.case.scenario.n_servers,
            **_lists(z),
        },
        "outcome": _lists(decision.outcome.to_dict()),
        "explanation": _lists(decision.explanation.to_dict()),
        "certificate": None if bound is None else certificate(bound),
    }
    lines = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in content.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def certificate(bound: dashf.Bound) -> dict[str, Any]:
    """Returns a bound as JSON values: with its prices, score for the whole capacity."""
    return {
        "upper_bound": float(bound.value),
        "ratio": float(bound.ratio),
        "bandwidth_price": np.asarray(bound.bandwidth_price).tolist(),
        "compute_price": np.asarray(bound.compute_price).tolist(),
        "slot_price": np.asarray(bound.slot_price).tolist(),
        "status": bound.status.value,
    }


def drawing(decision: Decision, kind: str, width: float) -> bytes:
    """Returns the figure of a decision for print, "pdf", "svg" or "png"."""
    from agents.evaluation.style import to_file
    from mec_llm_env.rendering import NARROWEST_IN, decision_figure

    figure = decision_figure(
        decision.case.scenario,
        decision.allocation,
        decision.outcome,
        width_in=max(width, NARROWEST_IN),
    )
    return to_file(figure, kind)


def picture(decision: Decision) -> bytes:
    """Returns the picture of a decision for a screen, PNG."""
    from matplotlib.image import imsave

    from mec_llm_env.rendering import draw_decision

    pixels = draw_decision(
        decision.case.scenario, decision.allocation, decision.outcome
    )
    buffer = io.BytesIO()
    imsave(buffer, pixels, format="png")
    return buffer.getvalue()


def case_rows(decisions: Sequence[Decision], bounds: dict[str, float]) -> list[Any]:
    """Returns a heading, then a row for each decision.

    Args:
        decisions: of all agents on all cases.
        bounds: by the name of a case; empty without bounds.
    """
    means = ("score", "delay_s", "energy_j", "cost")
    rows: list[Any] = [
        [
            *("agent", "run", "case", "users", "servers", "scr", *means),
            *(
                "violation",
                "decision_time_s",
                "status",
                "scr_upper_bound",
                "own_upper_bound",
            ),
        ]
    ]
    for decision in decisions:
        case: Case = decision.case
        figures = [float(getattr(decision.outcome, name).mean()) for name in means]
        rows.append(
            [
                *(decision.label, decision.run, case.name),
                *(case.scenario.n_users, case.scenario.n_servers),
                *(decision.scr, *figures, decision.violation, decision.time_s),
                *(decision.status.value, bounds.get(case.name), decision.own_bound),
            ]
        )
    return rows


def _lists(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in fields.items()}
