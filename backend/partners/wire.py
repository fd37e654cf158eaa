"""The five calls as they go over the wire; docs/partner-adapter.md explains them, `openapi()` writes them down."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import models_json_schema

from backend.partners.machine import Call, Outcome

MOST_ANSWER_BYTES: Final = 65_536
"""An answer that is longer is not read to its end, and counts as a system error."""
MAX_REASON_LENGTH: Final = 500
Id = Annotated[str, Field(max_length=40, description="Ours; the same whenever the same thing is asked again")]
MemberReference = Annotated[str, Field(min_length=1, max_length=64, description="The customer number in your system")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MemberValidation(_Message):
    """Is there such a member? The answer is yes or no, and nothing about the member."""

    call: Literal["member_validation"] = "member_validation"
    id: Id
    member_reference: MemberReference
    facts: dict[str, str] = Field(
        default_factory=dict, description="What the member said of themselves, to be compared; names as you define them"
    )


class SwapFacts(_Message):
    """The swap that a posting comes from."""

    id: str = Field(description="Ours", examples=["swp_01k2zvb3"])
    hash: str = Field(description="Its id on chain, 0x and 64 hex digits: anyone can look it up there")
    source: str = Field(description="Slug of the programme whose points were given")


class PostingMessage(_Message):
    """Post these points to the member's account."""

    call: Literal["posting"] = "posting"
    id: Id
    member_reference: MemberReference
    points: int = Field(gt=0)
    occurred_at: datetime = Field(description="Chain time of the burn")
    swap: SwapFacts


class TransferMessage(_Message):
    """Take these points out of the member's account; as many are issued on chain."""

    call: Literal["transfer"] = "transfer"
    id: Id
    member_reference: MemberReference
    points: int = Field(gt=0)
    occurred_at: datetime = Field(description="When it was asked for")


Original = Annotated[PostingMessage | TransferMessage, Field(discriminator="call")]


class RetryMessage(_Message):
    """What became of this? Do it if it never reached you, and answer what came of it if it did; never do it twice."""

    call: Literal["retry"] = "retry"
    id: Id
    original: Original = Field(description="The first request, word for word")


class ReversalMessage(_Message):
    """Undo this, and never do it should it still reach you."""

    call: Literal["reversal"] = "reversal"
    id: Id
    original: Original = Field(description="The first request, word for word")


Message = MemberValidation | PostingMessage | TransferMessage | RetryMessage | ReversalMessage


class Answer(BaseModel):
    """The answer to each of the calls; further members are ignored."""

    outcome: Outcome
    reference: str | None = Field(default=None, max_length=128, description="What you call it, for people who ask")
    reason: str | None = Field(
        default=None,
        description="Of a failure: a short code such as `member_unknown`. `not_posted` has a meaning of its own",
    )


def path_of(call: Call, subject_id: str) -> str:
    """Where a call goes, below the base URL."""
    return {
        Call.VALIDATE: "/member-validations",
        Call.POST: "/postings",
        Call.TRANSFER: "/transfers",
        Call.RETRY: f"/postings/{subject_id}/retry",
        Call.REVERSE: f"/postings/{subject_id}/reversal",
    }[call]


def encode(message: Message) -> bytes:
    """The body of a call."""
    return message.model_dump_json().encode()


def read_answer(status: int, body: bytes) -> Answer:
    """What a response means. What does not clearly say yes, no or later is a system error: it may have been done."""
    try:
        answer = Answer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        return system_error(f"HTTP {status}: not an answer by the contract ({where}: {first['type']})")
    if 200 <= status < 300 or (400 <= status < 500 and answer.outcome is Outcome.FAILED):
        return answer.model_copy(update={"reference": _plain(answer.reference), "reason": _plain(answer.reason)})
    return system_error(f"HTTP {status}: {_plain(answer.reason) or 'no reason given'}")


def system_error(reason: str) -> Answer:
    """Nobody knows what came of a call, and why."""
    return Answer(outcome=Outcome.SYSTEM_ERROR, reason=_plain(reason))


def _plain(text: str | None) -> str | None:
    """What a database can keep of a stranger's text."""
    if text is None:
        return None
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)[
        :MAX_REASON_LENGTH
    ]


_CALLS: Final[tuple[tuple[str, str, type[BaseModel]], ...]] = (
    ("/member-validations", "Member validation", MemberValidation),
    ("/postings", "Posting", PostingMessage),
    ("/transfers", "Transfer", TransferMessage),
    ("/postings/{id}/retry", "Retry", RetryMessage),
    ("/postings/{id}/reversal", "Reversal", ReversalMessage),
)
_HEADERS: Final = {
    "webhook-id": "Another for each call",
    "webhook-timestamp": "Unix seconds; refuse calls that are more than five minutes old",
    "webhook-signature": "`v1,` and the HMAC-SHA256 by Standard Webhooks",
}


def openapi() -> dict[str, Any]:
    """The contract as an OpenAPI 3.1 document, for the partner's side to generate from."""
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for _, _, model in _CALLS]
    _, definitions = models_json_schema([*models, (Answer, "validation")], ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Interpoints partner adapter", "version": "1", "summary": "Five calls that a brand answers"},
        "paths": {path: {"post": _operation(path, summary, model)} for path, summary, model in _CALLS},
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(path: str, summary: str, model: type[BaseModel]) -> dict[str, Any]:
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.items()
    ]
    if "{id}" in path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
    return {
        "summary": summary,
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
        },
        "responses": {
            "200": {"description": "The outcome", "content": answer},
            "4XX": {"description": "`failed` if the body says so, otherwise unknown", "content": answer},
            "5XX": {"description": "Unknown: it is asked again"},
        },
    }
