"""Many people behind one address, and an attacker among them."""

from trials import data
from trials.faults.ledger import Ledger
from trials.faults.rows import Finding, row
from trials.faults.stand import Stand
from trials.one_address import Ground, try_one_address

PEOPLE = 300
PER_SECOND = 6.0
MOST_OF_ATTACK = 0.05
LEAST_OF_PEOPLE = 0.99
# Thousands of hashes: 300 phones solve their own puzzles, and here all of them are one machine.
WORK = 20


@row(26, "A", "of 300 people behind one address 99 % are served, of an attacker's registrations 5 %")
def one_address(stand: Stand) -> Finding:
    """300 people register, start, save and hand in beside an attacker on their address."""
    found = Finding()
    web = stand.ground.web("web-proof", env={**stand.env, "CONTEST_PROOF_WORK": str(WORK)})
    ground = Ground(
        f"http://127.0.0.1:{web.port}",
        f"/contests/{stand.place.slug}",
        stand.place.round_id,
        stand.ground.settings.secret_key,
        data.DIVISION,
    )
    seed = stand.random.randrange(2**32)
    went = try_one_address(ground, people=PEOPLE, per_second=PER_SECOND, seed=seed)
    web.stop()
    found.facts["people served"] = f"{went.served} of {went.people}"
    found.facts["attacker let in"] = f"{went.got_in} of {went.tried}"
    found.facts["met by the people"] = " ".join(
        f"{count}×{what} {status}" for (what, status), count in sorted(went.ledger.statuses.items())
    )
    found.facts["seconds"] = f"{went.seconds:.0f}"
    found.must(went.honest_share >= LEAST_OF_PEOPLE, f"{went.served} of {went.people} people were served")
    found.must(went.tried >= PEOPLE, f"the attacker tried only {went.tried} times")
    found.must(
        went.attackers_share <= MOST_OF_ATTACK, f"{went.got_in} of {went.tried} of the attack were let in"
    )
    found.must(not went.ledger.errors, f"answers that no page expects: {dict(went.ledger.errors)}")
    found.must(
        not went.statuses[500], f"{went.statuses[500]} answers to the attacker were errors of the server"
    )
    found.faults += stand.broken(Ledger())
    return found
