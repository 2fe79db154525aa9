"""Cores: how many this process may use. On a cluster, in a container or under `taskset` the machine has more."""


def count() -> int:
    """At least 1."""
    import joblib  # knows affinity, quotas of containers, and LOKY_MAX_CPU_COUNT

    return joblib.cpu_count()
