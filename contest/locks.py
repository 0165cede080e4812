"""The numbers of the advisory locks, each taken for one purpose and until commit.

Taken in this order, each where it is needed: the turn at ranking, the turn at scoring, the row of the
round, rows of people, and last of all the chain of the log, which is signed when all else is done.
"""

AUDIT_CHAIN = 7_310_001
# With a round's id.
RANKING = 7_310_002
SCORING = 7_310_003
# With a contest's id.
CONTEST_STANDING = 7_310_004
# With the id of a round's division.
ANALYSIS = 7_310_005
ITEM_CODES = 7_310_006
DUPLICATES = 7_310_007
STARTS = 7_310_008
MIGRATION = 7_310_009
REHEARSAL = 7_310_031
# The triggers on released items name it too.
RELEASES = 7_301_002
