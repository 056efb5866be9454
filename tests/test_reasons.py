"""Why records were rejected: exact sums, however the rejects were shared out among writers."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from model_dofns.reasons import MAX_REASONS, OTHER_ERRORS, Reason, ReasonTally, merged
from model_dofns.rejects import STAGES, Reject


def reject(
    stage: str, error: str, file: str = "a", message: str = "it is bad", **place: int
) -> Reject:
    return Reject(stage, error, message, {"input": "{}", **place}, "jsonl", file, "m", "1.0.0")


def tallied(rejects: list[Reject]) -> tuple[Reason, ...]:
    tally = ReasonTally()
    for each in rejects:
        tally.add(each)
    return tally.reasons()


REJECTS = st.lists(
    st.builds(
        reject,
        st.sampled_from(STAGES),
        st.integers(0, 30).map("Error{}".format),
        st.sampled_from("abc"),
        offset=st.integers(0, 99),
    ),
    max_size=60,
)


@given(REJECTS, st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_sums_are_exact_and_bounded(rejects: list[Reject], writers: list[int]) -> None:
    shares = [[r for r, w in zip(rejects, writers, strict=False) if w == i] for i in range(4)]
    reasons = merged(reason for share in shares for reason in tallied(share))

    sums: Counter[str] = Counter()
    for reason in reasons:
        sums[reason.stage] += reason.count
    assert sums == Counter(r.stage for r in rejects)
    assert len(reasons) <= MAX_REASONS + len(STAGES)
    assert len({(r.stage, r.error) for r in reasons}) == len(reasons)
    assert [r.count for r in reasons] == sorted((r.count for r in reasons), reverse=True)


@given(REJECTS.filter(lambda rejects: len({(r.stage, r.error) for r in rejects}) <= MAX_REASONS))
def test_the_example_is_the_first_by_file_and_place_whoever_wrote_it(rejects: list[Reject]) -> None:
    expected = {}
    for each in sorted(rejects, key=lambda r: (r.file, r.source["offset"]), reverse=True):
        expected[each.stage, each.error] = (each.file, each.source["offset"])

    for shares in ([rejects], [rejects[::2], rejects[1::2]], [rejects[::-1]]):
        reasons = merged(reason for share in shares for reason in tallied(share))
        found = {(r.stage, r.error): (r.example["file"], r.example["offset"]) for r in reasons}
        assert found == expected
        assert sum(r.count for r in reasons) == len(rejects)


def test_the_rarest_are_put_together() -> None:
    rejects = [reject("predict", f"Error{i}", row=i) for i in range(30) for _ in range(30 - i)]
    reasons = tallied(rejects)
    assert len(reasons) == MAX_REASONS + 1
    others = next(reason for reason in reasons if reason.error == OTHER_ERRORS)
    assert others.count == sum(range(1, 11))
    assert others.example["row"] == 20


def test_examples_are_short_and_say_where_to_look() -> None:
    long = reject("validate", "E" * 500, message="m" * 5_000, row=7)
    (reason,) = tallied([long])
    assert (len(reason.error), len(reason.example["message"])) == (100, 200)
    assert reason.example["message"].endswith("m…")
    assert (reason.example["file"], reason.example["row"]) == ("a", 7)
    assert "input" not in reason.example
    (of_a_file,) = tallied([reject("read", "UnreadableFileError")])
    assert of_a_file.example == {"file": "a", "message": "it is bad"}
