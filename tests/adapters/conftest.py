"""Packages of other authors are imported by their own names, by the tests that use them."""

collect_ignore = ["foreign"]
