"""The service's metrics as the code has them, for what must agree with it."""

from dataclasses import dataclass

from prometheus_client.metrics import MetricWrapperBase

from service import live, metrics


@dataclass(frozen=True)
class Described:
    """One metric: its name, kind, labels and meaning."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> set[str]:
        """The names under which Prometheus keeps it."""
        return (
            {f"{self.name}_{part}" for part in ("bucket", "sum", "count")} if self.kind == "histogram" else {self.name}
        )


def described() -> list[Described]:
    """Every metric, in the order of the code."""
    found = []
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.append(Described(name, family.type, tuple(metric._labelnames), family.documentation))
    return found + [Described(name, "gauge", labels, meaning) for name, meaning, labels in live.FAMILIES]
