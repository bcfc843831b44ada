"""Benchmarks: data plus one loader each, name → BenchmarkItem."""
