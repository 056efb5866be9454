"""Scoring jobs for MapReduce: mrjob on one machine, on Hadoop and on EMR."""

try:
    import mrjob  # noqa: F401  # here once, to say what is missing
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"mapreduce_jobs needs mrjob, and {error.name} is missing:"
        " pip install 'model-dofns[mapreduce]'",
        name=error.name,
    ) from error
