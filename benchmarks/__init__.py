"""What scoring costs, beside a bare loop and beside others: ``make bench``. See RESULTS.md."""
