"""Errors of the bridge. `recoverable` says whether trying again later can help without anybody doing anything."""

from __future__ import annotations

from backend.chain.errors import ChainError


class BridgeError(ChainError):
    """Base of the errors of this package."""

    slug = "bridge-error"
    title = "The bridge cannot go on"


class BridgeSettingsError(BridgeError):
    """The configuration is missing, malformed or contradicts itself. `key` is the setting's path."""

    slug = "bridge-settings"
    title = "The bridge's configuration cannot be used"
    recoverable = False

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"The bridge's setting `{key}` cannot be used: {what}.")
        self.key = key


class JournalError(BridgeError):
    """The journal cannot be read or written now: a full disk, a lock that is held too long. Nothing was changed."""

    slug = "journal-unavailable"
    title = "The journal cannot be written"

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"The journal {path} cannot be used: {what}. Nothing is signed or sent until it can.")
        self.path = path
        self.what = what


class JournalGoneError(JournalError):
    """The journal's file was removed or replaced under the running process, which must not go on with the old one."""

    slug = "journal-gone"
    title = "The journal is no longer there"
    recoverable = False


class JournalInUseError(JournalError):
    """Another process has this role's folder."""

    slug = "journal-in-use"
    title = "The journal belongs to another process"
    recoverable = False


class ForeignJournalError(BridgeError):
    """The journal was begun with another key, chain or gateway. `what` is which; `expected` is the journal's."""

    slug = "foreign-journal"
    title = "The journal belongs to something else"
    recoverable = False

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(
            f"The journal was begun with {what} {expected}, but the configuration says {found}: use another data_dir."
        )
        self.what = what
        self.expected = expected
        self.found = found


class ListenError(BridgeError):
    """The address at which a role is to serve cannot be used."""

    slug = "cannot-listen"
    title = "The role cannot serve"
    recoverable = False

    def __init__(self, host: str, port: int, what: str) -> None:
        super().__init__(f"{host}:{port} cannot be listened at: {what}.")
        self.host = host
        self.port = port


class NoQuorumError(BridgeError):
    """Too few endpoints agree for anything to be concluded: `agreeing` others of `needed`, with those that differed."""

    slug = "no-quorum"
    title = "Too few endpoints agree"

    def __init__(self, chain: str, about: str, agreeing: int, needed: int, why: dict[str, str]) -> None:
        reasons = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in why.items()) or "none answered"
        super().__init__(f"{chain}: {agreeing} of {needed} other endpoints confirm {about} ({reasons}).")
        self.chain = chain
        self.about = about
        self.agreeing = agreeing
        self.needed = needed
        self.why = why


class MalformedAnswerError(BridgeError):
    """An endpoint answered with something that is not what was asked for."""

    slug = "malformed-answer"
    title = "An endpoint's answer cannot be read"

    def __init__(self, endpoint: str, what: str) -> None:
        super().__init__(f"{endpoint} answered with something unreadable: {what}.")
        self.endpoint = endpoint


class NonceGapError(BridgeError):
    """The gateway's nonces do not follow each other: a log was withheld."""

    slug = "nonce-gap"
    title = "A message is missing"

    def __init__(self, chain: str, destination_chain: int, block_number: int, expected: int, found: int) -> None:
        super().__init__(
            f"{chain}: block {block_number} has message {found} for chain {destination_chain}, expected {expected}:"
            " a log is missing."
        )
        self.destination_chain = destination_chain
        self.block_number = block_number
        self.expected = expected
        self.found = found


class MessageMismatchError(BridgeError):
    """A message's id does not follow from its fields and the configured gateways: one of the two is wrong."""

    slug = "message-mismatch"
    title = "A message does not belong to the configured gateways"

    def __init__(self, chain: str, message_id: bytes, computed: bytes) -> None:
        super().__init__(
            f"{chain}: the gateway calls a message 0x{message_id.hex()}, its fields give 0x{computed.hex()}:"
            " the configured gateways are not the ones that the chain knows."
        )
        self.message_id = message_id
        self.computed = computed


class PastFinalityError(BridgeError):
    """The chain has replaced a block that was final. A person must look."""

    slug = "past-finality"
    title = "A final block was replaced"
    recoverable = False

    def __init__(self, chain: str, chain_id: int, number: int, journaled: bytes, found: bytes) -> None:
        super().__init__(
            f"{chain}: block {number} was final as 0x{journaled.hex()} and is now 0x{found.hex()}:"
            " the chain was reorganised past finality."
        )
        self.chain_id = chain_id
        self.number = number
        self.journaled = journaled
        self.found = found


class ImpossibleObservationError(BridgeError):
    """A chain contradicts what it had called final. A person must look."""

    slug = "impossible-observation"
    title = "What was final is not final any more"
    recoverable = False


class EquivocationError(BridgeError):
    """What is to be signed contradicts what the journal says was signed. A person must look."""

    slug = "equivocation"
    title = "Two contents under one number"
    recoverable = False

    def __init__(self, what: str, journaled: str, found: str) -> None:
        super().__init__(f"{what} is {journaled} in the journal and {found} on the chain.")
        self.what = what
        self.journaled = journaled
        self.found = found


class HaltedError(BridgeError):
    """The role has halted; `interpoints bridge resume` lets it go on."""

    slug = "bridge-halted"
    title = "The bridge has halted"
    recoverable = False

    def __init__(self, role: str, since: str, reason: str) -> None:
        super().__init__(
            f"The role {role} halted at {since}: {reason} It does nothing until a person has looked and says"
            f' `interpoints bridge resume --role {role} --reason "..."`.'
        )
        self.role = role
        self.since = since
        self.reason = reason
