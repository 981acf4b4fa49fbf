"""The context of a servicer's method for a call inside the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import grpc

from chassis.rpc import status


class Call(grpc.ServicerContext):
    """The context of one in-process call, which replaces gRPC's."""

    def __init__(
        self,
        metadata: Sequence[tuple[str, str]] | None,
        deadline: float | None,
        caller: str = "",
    ) -> None:
        """
        deadline  `time.monotonic()` at which the caller stops waiting; None for never
        caller    name of the calling service, or "gateway"
        """
        self._metadata = metadata or ()
        self._deadline = deadline
        self._caller = caller
        self._active = True
        self.reply_metadata: Sequence[tuple[str, str]] = ()
        self._callbacks: list[Callable[[], None]] = []

    def invocation_metadata(self) -> Any:
        return self._metadata

    def time_remaining(self) -> Any:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check_deadline(self) -> None:
        """Raise an error after the deadline.

        raises  TooLate  DEADLINE_PASSED
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise status.too_late()

    def is_active(self) -> bool:
        return self._active and (self._deadline is None or time.monotonic() <= self._deadline)

    def end(self) -> None:
        """Run the callbacks once, after success or failure."""
        if self._active:
            self._active = False
            for callback in self._callbacks:
                callback()

    def cancel(self) -> bool:
        self.end()
        return True

    def add_callback(self, callback: Callable[[], None]) -> bool:
        if self._active:
            self._callbacks.append(callback)
        return self._active

    def peer(self) -> str:
        return "inproc:"

    def peer_identities(self) -> None:
        return None

    def peer_identity_key(self) -> None:
        return None

    def auth_context(self) -> Mapping[str, Any]:
        """Return the caller in the form of a certificate's name, as for a call over the network."""
        return {"x509_common_name": [self._caller.encode()]} if self._caller else {}

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Do nothing, because in-process callers do not read initial metadata."""

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self.reply_metadata = trailing_metadata

    def set_code(self, code: Any) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")

    def set_details(self, details: str) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")

    def abort(self, code: Any, details: str) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")

    def abort_with_status(self, status: Any) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")
