"""The sub-commands of `python -m backend`, one file each."""
