"""SCR against the users' maximum transmit power."""

from experiments.figure.sweeps import Sweep, run_sweep

SWEEP = Sweep(
    name="transmit_power",
    label="maximum transmit power of every user, W",
    values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    overrides=lambda base, value: {"radio.transmit_power_max_w": (value, value)},
    logarithmic=True,
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
