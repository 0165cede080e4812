"""The conventional way, measured beside ours: one RQ job per attempt, each in a process forked for it.

python -m trials.bench.forked       works until its queue is empty
"""

from redis import Redis
from rq import Worker

from contest import create_app, scoring
from contest.extensions import db
from trials.bench import FORKED_QUEUE


def score_one() -> None:
    """Score one attempt, on a connection of this process's own."""
    from flask import current_app

    db.engine.dispose(close=False)
    assert scoring.score_batch(db.session(), data_key=current_app.config["CONTEST"].data_key, most=1) == 1
    db.session.commit()


def main() -> None:
    """Do the jobs of the queue."""
    app = create_app()
    with app.app_context():
        worker = Worker([FORKED_QUEUE], connection=Redis.from_url(app.config["CONTEST"].redis_url))
        worker.work(burst=True, logging_level="WARNING")


if __name__ == "__main__":
    main()
