"""JSON lines, and JSON as text wherever else values are said in it."""
