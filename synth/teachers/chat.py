"""A client of one OpenAI-compatible chat endpoint: requests, patience with faults that pass, one-line errors."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TypeVar

import httpx

from synth.catalog import suggest
from synth.errors import TeacherUnavailable, UserError
from synth.records import JsonObject, Usage
from synth.teachers.replies import Reply

T = TypeVar("T")
KEY_VARIABLE = "NOTEWRIGHT_API_KEY"
_TOO_LONG = re.compile(r"context[ _](length|window|size)|too (long|large)|too many tokens", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request is tried again while it meets faults that may pass; all in seconds."""

    first: float = 0.5
    """First wait; each further one is twice as long, less a random part of up to a half."""
    longest: float = 30.0
    """Longest wait, unless the server asks for a longer one (``Retry-After``, RFC 9110, section 10.2.3)."""
    budget: float = 120.0
    """From the first fault to giving up."""
    tries: int = 3
    """Made even where the budget is spent, and no more than these where the request itself may be the cause."""

    def wait(self, faults: int) -> float:
        """Return the wait after so many faults, at least one."""
        return min(self.longest, self.first * 2.0 ** min(faults - 1, 30)) * (1.0 - random.random() / 2)


class Refused(UserError):
    """The server turned a request down for what it holds (400, 413, 422); the message gives its words. Exit 2."""

    def __init__(self, message: str, *, too_long: bool) -> None:
        super().__init__(message)
        self.too_long = too_long
        """Whether the prompt does not fit the model's context, so that another candidate's may."""


class RequestFailed(TeacherUnavailable):
    """The server failed at one request each time it was tried; it may still answer others. Exit 3."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """Something that may pass."""

    what: str
    own: bool
    """Whether the request itself may be the cause; not so where the server is busy or cannot be reached."""
    after: float | None = None
    """Seconds that the server asks to wait."""


def base_url(endpoint: str) -> str:
    """Return the URL below which ``/chat/completions`` and ``/models`` lie; a bare host gets ``/v1``.

    Raises UserError where it is not an http(s) URL, or holds a password or a query.
    """
    try:
        url = httpx.URL(endpoint)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"--endpoint {endpoint!r} is no http(s) URL; give one such as http://127.0.0.1:8000/v1")
    if url.userinfo or url.query or url.fragment:
        raise UserError(f"--endpoint takes no password and no query; put the key into {KEY_VARIABLE}")
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return str(url.copy_with(path=path or "/v1"))


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class ChatClient:
    """Talks to one endpoint, in one event loop, with a limit on the requests that are under way."""

    def __init__(
        self,
        endpoint: str,
        model: str,
        *,
        timeout: float,
        concurrency: int,
        patience: Patience | None = None,
        gone: Callable[[], str | None] | None = None,
    ) -> None:
        """``timeout`` is in seconds and counts for one try. ``gone`` says why the server will not come back, or None
        where it may. The key, if any, is read from the environment. Raises UserError as ``base_url`` does."""
        self.url = base_url(endpoint)
        self.model = model
        self._timeout = timeout
        self.patience = patience or Patience()
        self._gone = gone
        self._slots = asyncio.Semaphore(concurrency)
        key = os.environ.get(KEY_VARIABLE)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=None),
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            # A proxy set in the environment cannot reach the loopback of this machine.
            trust_env=not is_loopback(self.url),
        )

    async def chat(self, body: JsonObject, patience: Patience | None = None) -> Reply:
        """Return the answer to one request; the model's name is added to the body.

        Raises Refused, UserError for a wrong model or key, RequestFailed where the server fails at this request,
        TeacherUnavailable where it is busy or out of reach for too long.
        """
        async with self._slots:
            reply = await self._request("POST", "/chat/completions", {"model": self.model, **body}, _reply, patience)
        if reply is None:
            raise UserError(await self._no_model())
        return reply

    async def models(self, patience: Patience | None = None) -> list[str] | None:
        """Return the names of the models that the server has; None where it has no such list. Raises as ``chat``."""
        return await self._request("GET", "/models", None, _model_names, patience)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _request(
        self, method: str, path: str, body: JsonObject | None, read: Callable[[object], T], patience: Patience | None
    ) -> T | None:
        """Return what was read from the answer; None where the server knows no such path or model (404, 405)."""
        patience = patience or self.patience
        first_fault, faults = 0.0, 0
        while True:
            outcome = await self._try(method, path, body)
            if isinstance(outcome, httpx.Response) and outcome.status_code in (404, 405):
                return None
            if isinstance(outcome, httpx.Response):
                try:
                    return read(outcome.json())
                except ValueError:
                    outcome = _Fault("sends what is not an answer of the OpenAI API", own=True)
            faults += 1
            now = time.monotonic()
            first_fault = first_fault or now
            wait = outcome.after if outcome.after is not None else patience.wait(faults)
            dead = self._gone() if self._gone else None
            if dead is not None:
                raise TeacherUnavailable(dead)
            spent = now + wait - first_fault > patience.budget and faults >= patience.tries
            if spent or wait > max(patience.budget, patience.longest):
                raise TeacherUnavailable(self._complaint(outcome, faults))
            if outcome.own and faults >= patience.tries:
                raise RequestFailed(self._complaint(outcome, faults))
            await asyncio.sleep(wait)

    def _complaint(self, fault: _Fault, faults: int) -> str:
        return f"the server at {self.url} {fault.what} ({faults} tries); run the same command to resume"

    async def _try(self, method: str, path: str, body: JsonObject | None) -> httpx.Response | _Fault:
        """Return a successful answer, one of status 404 or 405, or a fault that may pass; raise for any other."""
        try:
            response = await self._http.request(method, f"{self.url}{path}", json=body)
        except httpx.ConnectError:
            return _Fault("cannot be reached", own=False)
        except httpx.TimeoutException:
            return _Fault(f"does not answer within {self._timeout:g} s", own=True)
        except httpx.TransportError as error:
            return _Fault(f"breaks the connection ({type(error).__name__})", own=True)
        status = response.status_code
        if response.is_success or status in (404, 405):
            return response
        if status in (408, 409, 425, 429) or status >= 500:
            what = f"answers with status {status}{_words(response, ': ')}"
            return _Fault(what, own=status == 500, after=_retry_after(response))
        if status in (401, 403):
            raise UserError(f"the server at {self.url} refuses access ({status}); set {KEY_VARIABLE} to a valid key")
        words = _words(response, ": ")
        if status in (400, 413, 422):
            too_long = status == 413 or _TOO_LONG.search(words) is not None
            raise Refused(f"the server at {self.url} refuses the request ({status}){words}", too_long=too_long)
        raise UserError(f"the server at {self.url} answers with status {status}{words}; check --endpoint")

    async def _no_model(self) -> str:
        """Return one line for a chat request that was answered with 404."""
        names = await self.models()
        if names is None:
            return f"no OpenAI-compatible API at {self.url}; --endpoint needs its base URL, such as http://host:8000/v1"
        return unknown_model(self.url, self.model, names)


def unknown_model(url: str, model: str, names: list[str]) -> str:
    """Return one line that says which models there are, with a suggestion."""
    known = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"the server at {url} has no model {model!r}{suggest(model, names)}; it has: {known or 'none'}"


def _reply(value: object) -> Reply:
    """Return the first choice of a chat completion; ValueError where the value is none."""
    choices = value.get("choices") if isinstance(value, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(value, dict) or not isinstance(choice, dict) or not isinstance(message, dict):
        raise ValueError("no choices")  # noqa: TRY004  a malformed body, like one that is not JSON
    usage, text = value.get("usage"), message.get("content")
    return Reply(
        text=text if isinstance(text, str) else "",
        finish_reason=str(choice.get("finish_reason")),
        usage=Usage(prompt_tokens=_count(usage, "prompt_tokens"), completion_tokens=_count(usage, "completion_tokens")),
    )


def _count(usage: object, key: str) -> int:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else 0


def _model_names(value: object) -> list[str]:
    models = value.get("data") if isinstance(value, dict) else None
    if not isinstance(models, list):
        raise ValueError("no list of models")  # noqa: TRY004  a malformed body, like one that is not JSON
    return [model["id"] for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)]


def _words(response: httpx.Response, lead: str) -> str:
    """Return what the server says of an error, on one line of at most 300 characters; nothing where it says nothing."""
    try:
        body: object = response.json()
    except ValueError:
        body = None
    for key in ("error", "detail", "message"):
        if isinstance(body, dict) and key in body:
            body = body[key]
    text = " ".join(str(body).split()) if body and not isinstance(body, dict) else ""
    return f"{lead}{text[:300]}" if text else ""


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of a ``Retry-After`` header, given as a number or as a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
