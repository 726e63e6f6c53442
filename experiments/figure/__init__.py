"""What the figures of experiments are made of: options, points, drawing, tables."""
