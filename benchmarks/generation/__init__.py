"""How fast Notewright and its peers drive one server: ``python -m benchmarks.generation``."""
