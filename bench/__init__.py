"""Benchmarks: each measures Kererū beside a ruler in the same run, on the same machine, in turns (docs/reference/performance.md).

Absolute rates on a shared machine mean little, so what counts is the ratio to the ruler. Run them with `make bench` or `kereru bench NAME`.
"""
