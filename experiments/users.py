"""SCR against the number of users, of two servers."""

from experiments.figure.sweeps import Sweep, run_sweep

SWEEP = Sweep(
    name="users",
    label="users",
    values=(2, 4, 6, 10, 15, 20, 30),
    overrides=lambda base, value: {"users": int(value)},
    whole=True,
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
