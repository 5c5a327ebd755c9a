"""Measurements: ratios against the plain saver, interleaved in one run."""
