"""SCR against the weight of delay, the rest being that of energy."""

from experiments.figure.sweeps import Sweep, run_sweep

SWEEP = Sweep(
    name="weights",
    label="weight of delay; the weight of energy is the rest to 1",
    values=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    overrides=lambda base, value: {
        "objective.delay_weight": value,
        "objective.energy_weight": 1 - value,
    },
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
