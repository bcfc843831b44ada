"""A small, fast OpenAI-compatible server without a model, for tests and benchmarks: what it answers follows from the
request alone, and so does what goes wrong.

``with FakeServer() as server:`` serves on the loopback from a thread. ``python -m tests.fake_server --port N`` serves
until it is stopped, takes vLLM's flags, and so stands in for it where only the process matters.
"""

from tests.fake_server.faults import CONTENT, TRANSIENT, Fault, Weather
from tests.fake_server.server import FakeServer
from tests.fake_server.settings import Decoding, Overflow, Settings

__all__ = ["CONTENT", "TRANSIENT", "Decoding", "FakeServer", "Fault", "Overflow", "Settings", "Weather"]
