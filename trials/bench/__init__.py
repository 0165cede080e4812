"""The benchmark: what each hot request costs beside the least that it could cost, in the same run."""

# The variable that tells the yardstick what is the same in all rows that it inserts.
YARDSTICK_ROW = "YARDSTICK_ROW"
# The queue of one forked job per attempt, which nobody uses: it is measured beside what we do.
FORKED_QUEUE = "forked"
