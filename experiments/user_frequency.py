"""SCR against the limit of the users' GPU frequency, from where it binds."""

from experiments.figure.sweeps import Sweep, run_sweep

SWEEP = Sweep(
    name="user_frequency",
    label="maximum GPU frequency of every user, GHz",
    values=(0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3),
    overrides=lambda base, value: {"device.frequency_max_ghz": (value, value)},
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
