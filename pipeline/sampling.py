"""What the sample says of the edits that the policy approves by itself, and when that is too bad to go on."""

from dataclasses import dataclass

from pipeline.proportions import at_least, at_most
from pipeline.routing import Policy
from pipeline.store import Database, reading


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What people made of the sample of one policy.

    Attributes:
        decided: Edits of the sample that somebody decided on.
        bad: Of these, those that were rejected or asked for again.
        at_most: The share of bad ones, among all that the policy approves, that is not exceeded at 95 %.
        at_least: The share that is exceeded at 95 %.
        allowed: The share that the policy allows; None if it never stops by itself.
    """

    decided: int
    bad: int
    at_most: float
    at_least: float
    allowed: float | None

    @property
    def is_broken(self) -> bool:
        """Whether more are bad than the policy allows, as good as surely."""
        return self.allowed is not None and self.at_least > self.allowed

    def __str__(self) -> str:
        return f"{self.bad} bad of {self.decided}: at most {100 * self.at_most:.2g} % at 95 %"


def sample_report(db: Database, policy: Policy) -> SampleReport:
    """What people made of this policy's sample so far."""
    decided, bad = reading.sample_counts(db, policy.hash)
    return SampleReport(decided, bad, at_most(bad, decided), at_least(bad, decided), policy.most_bad)
