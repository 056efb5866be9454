"""CSV: rows of cells, by their quoting."""
