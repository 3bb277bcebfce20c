"""What turns speech into words, one file per kind of endpoint; none of them is needed for anything else."""
