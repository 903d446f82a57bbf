"""What changes over a run, as functions of the share of the steps done (0 to 1)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    warm_up: float
    decay_from: float
    average_from: float
    long_share: float
    mask_ratio_first: float
    mask_ratio_last: float

    def rate(self, done: float) -> float:
        """Rises, stays, and falls to nothing at the end: a trapezoid."""
        if done < self.warm_up:
            return (done + 1e-3) / (self.warm_up + 1e-3)
        return min(1.0, (1.0 - done) / (1.0 - self.decay_from))

    def mask_ratio(self, done: float) -> float:
        """In steps of 0.05, because each ratio is one more shape to compile."""
        ratio = self.mask_ratio_last + (self.mask_ratio_first - self.mask_ratio_last) * max(
            0.0, 1.0 - 2.0 * done
        )
        return round(ratio * 20) / 20

    def is_long(self, done: float) -> bool:
        return done >= 1.0 - self.long_share

    def averages(self, done: float) -> bool:
        return done >= self.average_from
