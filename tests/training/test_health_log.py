from __future__ import annotations

from reccli.training.health_log import crowding, health_of, health_text

ROWS = [
    (0, "ndcg@10", 0.1),
    (0, "health.users.uniformity", -3.0),
    (1, "loss", 2.0),
    (1, "health.users.uniformity", -2.0),
    (1, "health.items.uniformity", -1.5),
]


def test_an_epoch_without_the_prefix() -> None:
    assert health_of(ROWS, 0) == {"users.uniformity": -3.0}
    assert health_of(ROWS, 2) == {}


def test_the_more_crowded_side_of_the_newest_epoch() -> None:
    assert crowding(ROWS) == {"uniformity": -1.5}
    assert crowding(ROWS[:2]) == {"uniformity": -3.0}
    assert crowding(ROWS[:1]) == {}
    assert crowding([]) == {}


def test_the_line_for_people() -> None:
    spread = {"uniformity": -2.874, "effective_rank": 41.26, "mean_cosine": 0.191, "dead": 0.25}
    found = {
        "alignment": 1.81,
        **{f"{kind}.{name}": value for kind in ("users", "items") for name, value in spread.items()},
    }
    one = "rank 41.3 uniformity -2.87 cosine 0.19 dead 25%"
    assert health_text(found) == f"users {one}  items {one}  alignment 1.81"
    assert health_text({f"items.{name}": value for name, value in spread.items()}) == f"items {one}"
    assert health_text({}) == ""
