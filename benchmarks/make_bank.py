"""Makes the instance bank: solves the test instances of the presets, once.

    python benchmarks/make_bank.py tiny-4x2 mobile-10x2 --work bank_work

Resumable: each solved instance is a file in the work folder and is not solved again.
When the last one is there the bank is written into the package.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import dashf
from mec_llm_env import (
    MOBILE_PRESETS,
    Allocation,
    MobileConfig,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    sample_trajectory,
)
from mec_llm_env.bank import FIRST_SEED, save_bank
from mec_llm_env.bank.trajectories import save_trajectory_bank
from mec_llm_env.files import write_whole

PACKAGE = Path(__file__).parents[1] / "mec_llm_env" / "bank"

#: Instances, relative gap, and time limit of branch and bound in s (None: dual alone).
PLAN: dict[str, tuple[int, float, float | None]] = {
    "tiny-4x2": (100, 1e-3, 120.0),
    "paper-10x2": (100, 1e-3, 120.0),
    "medium-50x10": (100, 1e-3, 4.0),
    "large-1000x50": (8, 1e-3, None),
}
#: Episodes.
EPISODES = {"mobile-10x2": 100}


def solve(preset: str, seed: int, gap: float, limit_s: float | None, path: Path) -> str:
    """Solves one instance into a file and returns a line about it."""
    config = ScenarioConfig.preset(preset)
    scenario = sample_scenario(config, np.random.default_rng(seed))
    start = time.perf_counter()
    if limit_s is None:
        result = dashf.solve(scenario, config.objective, solver="dual")
    else:
        result = dashf.solve(
            scenario, config.objective, solver="exact", gap=gap, time_limit_s=limit_s
        )
    bound = result.bound
    assert bound is not None
    fields = result.allocation.to_dict()
    line = (
        f"{preset} {seed} scr {result.scr:.6f} "
        f"gap {100 * result.gap:.3f} % "
        f"{time.perf_counter() - start:.2f} s {bound.status.value}"
    )
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, allow_pickle=False, bound=bound.value, **fields)
    write_whole(path, temporary.read_bytes())
    temporary.unlink()
    return line


def assemble(preset: str, paths: list[Path]) -> str:
    """Writes the bank of solved instances and returns a line about it."""
    seeds = np.array([int(path.stem) for path in paths])
    found = []
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            found.append(dict(archive))
    bound = np.array([float(fields.pop("bound")) for fields in found])
    allocation = Allocation.stack([Allocation(**fields) for fields in found])
    config = ScenarioConfig.preset(preset)
    scr = np.array(
        [
            evaluate(
                sample_scenario(config, np.random.default_rng(int(seed))),
                allocation[i],
                config.objective,
            ).scr
            for i, seed in enumerate(seeds)
        ]
    )
    path = PACKAGE / f"{preset}.npz"
    sha256 = save_bank(
        path,
        preset,
        seed=seeds,
        bound=bound,
        scr=scr,
        allocation=allocation,
        with_scenarios=preset != "large-1000x50",
    )
    gaps = 100 * (bound / scr - 1)
    return (
        f"{path.name}: {len(seeds)} instances, gap mean {gaps.mean():.3f} %, worst "
        f"{gaps.max():.3f} %, {path.stat().st_size / 1e3:.0f} kB, {sha256}"
    )


def plan(preset: str, seed: int, path: Path) -> str:
    """Plans one episode into a file and returns a line about it."""
    config = MobileConfig.preset(preset)
    trajectory = sample_trajectory(config, np.random.default_rng(seed))
    found = dashf.plan(trajectory, config.objective)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        allow_pickle=False,
        bound=found.bound.value,
        scr=found.scr,
        server=found.allocation.server,
    )
    write_whole(path, temporary.read_bytes())
    temporary.unlink()
    return (
        f"{preset} {seed} scr {found.scr:.6f} gap {100 * found.gap:.3f} % "
        f"{found.time_s:.2f} s {found.status.value}"
    )


def assemble_plans(preset: str, paths: list[Path]) -> str:
    """Writes the bank of planned episodes and returns a line about it."""
    found: dict[str, list[np.ndarray]] = {"bound": [], "scr": [], "server": []}
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            for name, values in found.items():
                values.append(archive[name])
    arrays = {name: np.stack(values) for name, values in found.items()}
    path = PACKAGE / f"{preset}.npz"
    seeds = np.array([int(path.stem) for path in paths])
    sha256 = save_trajectory_bank(path, preset, seed=seeds, **arrays)
    share = arrays["scr"] / arrays["bound"]
    return (
        f"{path.name}: {len(seeds)} episodes, plan over bound mean {share.mean():.5f}, "
        f"worst {share.min():.5f}, {sha256}"
    )


def main() -> None:
    """Parses the command line, solves what is missing, writes the banks."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = (*PLAN, *EPISODES)
    parser.add_argument("presets", nargs="*", default=list(PLAN), metavar="PRESET")
    parser.add_argument("--work", type=Path, default=Path("bank_work"))
    arguments = parser.parse_args()
    for preset in arguments.presets:
        if preset not in known:
            parser.error(f"{preset!r} is not one of {', '.join(known)}")
        episodes = preset in MOBILE_PRESETS
        count = EPISODES[preset] if episodes else PLAN[preset][0]
        folder = arguments.work / preset
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{FIRST_SEED + i}.npz" for i in range(count)]
        for path in paths:
            if not path.exists():
                seed = int(path.stem)
                if episodes:
                    line = plan(preset, seed, path)
                else:
                    line = solve(preset, seed, *PLAN[preset][1:], path)
                print(line, flush=True)
        finish = assemble_plans if episodes else assemble
        print(finish(preset, paths), flush=True)


if __name__ == "__main__":
    main()
