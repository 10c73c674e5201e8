"""Runs modules of Python's own tests and says of each test what became of it: unit.py MODULE... [-TEST...]

What the tests themselves print goes nowhere: it tells of times and addresses. -TEST leaves out those whose names end so.
"""
import os
import resource
import sys
import unittest


class Verdicts(unittest.TestResult):
    """The word for each test, by its name."""

    def __init__(self):
        super().__init__()
        self.words = {}

    def startTest(self, test):
        super().startTest(test)
        self.words[test.id()] = "ok"

    def addError(self, test, err):
        super().addError(test, err)
        self.words[test.id()] = "error"

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.words[test.id()] = "failure"

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.words[test.id()] = "failure of " + str(subtest)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.words[test.id()] = "skipped: " + reason


def tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests(test)
        else:
            yield test


def main():
    names = [name for name in sys.argv[1:] if name[0] != "-"]
    without = tuple(name[1:] for name in sys.argv[1:] if name[0] == "-")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    out = os.dup(1)
    nothing = os.open("/dev/null", os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    # As `python3 -m unittest` does it: fixtures of modules and classes are run. Nothing else keeps a test that has been run: asyncio's
    # tests collect garbage each.
    loaded = tests(unittest.defaultTestLoader.loadTestsFromNames(names))
    chosen = unittest.TestSuite(test for test in loaded if not without or not test.id().endswith(without))
    verdicts = Verdicts()
    chosen.run(verdicts)
    with open(out, "w") as report:
        for name, word in sorted(verdicts.words.items()):
            print(name, word, file=report)
        print(verdicts.testsRun, len(verdicts.failures), len(verdicts.errors), len(verdicts.skipped), file=report)


# Tests start processes that import this file.
if __name__ == "__main__":
    main()
