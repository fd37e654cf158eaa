"""The brand's side of the API, as the demonstration uses it: what a till and a customer desk would send."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

import httpx

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


class DemoApiError(Exception):
    """The API refused what the demonstration took for possible."""

    def __init__(self, method: str, path: str, status: int, detail: str) -> None:
        super().__init__(f"The API refused {method} {path} with status {status}: {detail}")
        self.status = status


@dataclass(frozen=True)
class NewEnrolment:
    """A household that joins a programme; `member_id` when it is a member of another one."""

    programme_id: str
    reference: str
    member_id: str | None


class DemoApi:
    """Calls with the operator's key."""

    def __init__(self, url: str, operator_key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {operator_key}"}, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: str | int) -> dict[str, Json]:
        """The resource at `path`."""
        return self._answer(self._client.get(path, params=query), "GET", path)

    def post(self, path: str, body: dict[str, Json], key: str) -> dict[str, Json]:
        """Send a write under an idempotency key."""
        answer = self._client.post(path, json=body, headers={"Idempotency-Key": key})
        return self._answer(answer, "POST", path)

    def put(self, path: str, body: dict[str, Json], key: str) -> dict[str, Json]:
        """Replace the resource at `path`, under an idempotency key."""
        answer = self._client.put(path, json=body, headers={"Idempotency-Key": key})
        return self._answer(answer, "PUT", path)

    def enrol(self, enrolments: Sequence[NewEnrolment], key: str) -> list[str]:
        """Enrol households; their members' ids, in order."""
        lines = "".join(
            json.dumps(
                {"programme_id": each.programme_id, "reference": each.reference}
                | ({"member_id": each.member_id} if each.member_id else {})
            )
            + "\n"
            for each in enrolments
        )
        headers = {"Idempotency-Key": key, "Content-Type": "application/x-ndjson"}
        answer = self._client.post("/v1/members/bulk", content=lines, headers=headers)
        members = self._answer(answer, "POST", "/v1/members/bulk")["members"]
        assert isinstance(members, list)
        return [str(member["member_id"]) for member in members if isinstance(member, dict)]

    def programme_ids(self) -> dict[str, str]:
        """Id of each programme by its slug."""
        programmes = self.get("/v1/programmes")["data"]
        assert isinstance(programmes, list)
        return {str(each["slug"]): str(each["id"]) for each in programmes if isinstance(each, dict)}

    @staticmethod
    def _answer(answer: httpx.Response, method: str, path: str) -> dict[str, Json]:
        if not answer.is_success:
            raise DemoApiError(method, path, answer.status_code, answer.text[:300])
        body: dict[str, Json] = answer.json()
        return body
