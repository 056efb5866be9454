"""placeholder"""


def write(results, output):
    print(results.scenarios)
