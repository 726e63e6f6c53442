"""The comparison of all agents over seeds: plan, runs, measurements, figures."""
