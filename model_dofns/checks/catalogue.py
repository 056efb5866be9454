"""All checks, in the order they are tried and shown in."""

from __future__ import annotations

from typing import Final

from model_dofns.checks.context import Check
from model_dofns.checks.costs import measure_memory, measure_time
from model_dofns.checks.loading import (
    check_contract,
    check_fresh_process,
    check_import,
    check_loads_twice,
    check_records,
    check_version,
)
from model_dofns.checks.predicting import (
    check_answers,
    check_batching,
    check_deterministic,
    check_output,
    check_predict_batch,
)
from model_dofns.checks.surroundings import check_network, check_pickling, check_stdout
from model_dofns.checks.using import check_input_unchanged, check_threads

# Each needs only what comes before it.
CHECKS: Final = (
    Check("import", check_import),
    Check("version", check_version, ("import",)),
    Check("contract", check_contract, ("version",)),
    Check("records", check_records, ("contract",)),
    Check("answers", check_answers, ("records",)),
    Check("output", check_output, ("answers",)),
    Check("fresh process", check_fresh_process, ("answers",)),
    Check("deterministic", check_deterministic, ("answers",)),
    Check("loads twice", check_loads_twice, ("deterministic",)),
    Check("predict_batch", check_predict_batch, ("deterministic",)),
    Check("batching", check_batching, ("predict_batch",)),
    Check("threads", check_threads, ("loads twice",)),
    Check("input unchanged", check_input_unchanged, ("answers",)),
    Check("network", check_network, ("fresh process",)),
    Check("stdout", check_stdout, ("fresh process",)),
    Check("pickling", check_pickling, ("fresh process",)),
    Check("time", measure_time, ("answers",)),
    Check("memory", measure_memory, ("answers",)),
)
