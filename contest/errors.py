"""What may go wrong on purpose. Each error carries a finished Vietnamese sentence for the person."""


class ContestError(Exception):
    """A refusal that the person understands; one handler makes the page."""

    status = 400
    title = "Không thực hiện được"
    # After how many seconds the same may be asked again; None: the same will not do.
    retry_after: int | None = None

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotThere(ContestError):
    """It does not exist, or it is somebody else's."""

    status = 404


class NotAllowed(ContestError):
    """The person may not do this."""

    status = 403


class Conflict(ContestError):
    """It can't be done in this state: closed, used up, done already."""

    status = 409


class BadInput(ContestError):
    """A field is wrong; `fields` maps field names to sentences."""

    status = 422

    def __init__(self, sentence: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.fields = fields or {}


class TooSoon(ContestError):
    """The same was done a moment ago."""

    status = 429
    title = "Bạn vui lòng chờ một chút"

    def __init__(self, sentence: str, retry_after: int = 1) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class ProofWanted(TooSoon):
    """It was done often from here: first a proof of work, or a while of waiting."""

    title = "Kiểm tra nhanh trước khi tiếp tục"


class TryAgain(ContestError):
    """The server is too busy or its database is away; nothing was decided."""

    status = 503
    retry_after = 2
