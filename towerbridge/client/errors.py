"""What can go wrong between a client and the service.

    ClientError
    ├── UnreachableError        no answer came: nobody listens, or it took too long
    ├── AnswerError             an answer came that is not one of this service's
    ├── ElsewhereError          a picture is not kept by the service but on the web, at `address`
    └── ProblemError            the service said no, and why (problem JSON, RFC 9457)
        ├── NotFoundError       404: there is no record of that id
        ├── RefusedError        any other 4xx: `problem.errors` says which field
        └── UnavailableError    503: not ready, or without its database; `retry_after` says when to come back

All are RecommenderErrors, as what the packages raise on purpose is.
"""

from __future__ import annotations

from catalog.errors import RecommenderError
from towerbridge.client.results import Problem


class ClientError(RecommenderError):
    """Base of everything below; never raised itself."""


class UnreachableError(ClientError):
    """No answer came."""


class AnswerError(ClientError):
    """An answer came that is not one of this service's."""


class ElsewhereError(ClientError):
    """What was asked for is on the web; this client does not go there, as it bears a key."""

    def __init__(self, address: str) -> None:
        super().__init__(f"expected it from the service, found that it is on the web: get it from {address}")
        self.address = address


class ProblemError(ClientError):
    """The service said no, and why; its message is the problem's `detail`."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem
        self.retry_after = retry_after
        """Seconds after which it may be tried again, where the service said so."""


class NotFoundError(ProblemError):
    """There is no record of that id."""


class RefusedError(ProblemError):
    """The request was wrong; `problem.errors` says which field."""


class UnavailableError(ProblemError):
    """Not ready, or without its database."""


def error_of(problem: Problem, retry_after: float | None) -> ProblemError:
    """The exception that a problem is raised as."""
    if problem.status == 404:
        return NotFoundError(problem)
    if problem.status == 503:
        return UnavailableError(problem, retry_after)
    return RefusedError(problem) if problem.status < 500 else ProblemError(problem)
