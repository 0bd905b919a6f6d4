"""One folder per carrier; each maps that carrier's wire format to the contract and back, and does nothing else."""
