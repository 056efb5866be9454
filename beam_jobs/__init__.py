"""Scoring jobs for Apache Beam."""
