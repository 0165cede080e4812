"""python -m contest.cli is the same as contest."""

from contest.cli import main

main()
