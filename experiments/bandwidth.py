"""SCR against the bandwidth of a server."""

from experiments.figure.sweeps import Sweep, run_sweep

SWEEP = Sweep(
    name="bandwidth",
    label="bandwidth of a server, MHz",
    values=(1.0, 2.0, 5.0, 10.0, 20.0, 40.0),
    overrides=lambda base, value: {"radio.bandwidth_mhz": value},
    logarithmic=True,
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
