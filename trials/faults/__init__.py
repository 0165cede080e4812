"""The scorecard of faults: real processes under load, one fault at a time, and what must hold after it.

`proxy` stands before the servers, `people` act and keep a `ledger`, `invariants` compare it with the
database; the rows are the functions of the other modules, each named by what it does.
"""
