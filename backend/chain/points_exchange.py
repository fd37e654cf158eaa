"""PointsExchange: calldata, ids, EIP-712 orders and quotes, readers. What is said of *an* exchange holds for both."""

from __future__ import annotations

from collections.abc import Sequence

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.abi_reading import read_lots, read_struct
from backend.chain.contract_reader import ContractReader
from backend.chain.event_types import Lot
from backend.chain.exchange_types import (
    NO_QUOTE,
    NO_QUOTE_ID,
    Lane,
    LaneTerms,
    PendingSwap,
    Price,
    Quote,
    SwapRequest,
    SwapStatus,
)
from backend.chain.typed_data import Domain, TypedData, typed_data
from backend.chain.words import address_word, bytes_tail, hash_word, lots_tail, number_word, selector

LANE_ROLE = keccak(text="LANE_ROLE")
"""Role, of a programme's token, that agrees to lanes."""
QUOTER_ROLE = keccak(text="QUOTER_ROLE")
"""Role, of a programme's token, that signs quotes."""
POSTING_WINDOW_SECONDS = 7 * 86_400
"""How long a destination may take to say whether a posted swap arrived."""
DOMAIN_NAME = "Interpoints Exchange"

_TERMS = "(uint32,uint32,uint16,uint16,uint48,uint48,uint48,uint80,bool,bool)"
_REQUEST = "(bytes32,address,uint256,uint256,bytes32,uint256)"
_QUOTE = "(bytes32,bytes32,uint32,address,uint48,uint16,uint48,address,bytes)"
_PENDING = "(bytes32,address,address,uint256,uint256,uint256,(uint256,uint256)[])"

_PROPOSE = selector(f"propose(bytes32,bytes32,bytes32,{_TERMS})")
_ACCEPT = selector(f"accept(bytes32,bytes32,bytes32,{_TERMS})")
_WITHDRAW_PROPOSAL = selector("withdrawProposal(bytes32,bytes32,bytes32)")
_STOP = selector("stop(bytes32,bytes32,bytes32)")
_SWAP = selector(f"swap({_REQUEST},{_QUOTE})")
_SWAP_SIGNED = selector(f"swapWithSignature(address,{_REQUEST},{_QUOTE},bytes)")
_SWAP_MANAGED = selector(f"swapManaged(bytes32,{_REQUEST},{_QUOTE})")
_CONFIRM_POSTED = selector(f"confirmPosted(bytes32,{_PENDING})")
_REFUND_PENDING = selector(f"refundPending(bytes32,{_PENDING})")


# Ids


def lane_id(chain_id: int, source: bytes, destination: bytes) -> bytes:
    """Id of the lane between two programmes (ids of the registry) of one chain."""
    return crosschain_lane_id(chain_id, source, chain_id, destination)


def crosschain_lane_id(source_chain: int, source: bytes, destination_chain: int, destination: bytes) -> bytes:
    """Id of the lane between two programmes, each with the chain where it is at home."""
    ends = number_word(source_chain) + hash_word(source), number_word(destination_chain) + hash_word(destination)
    return keccak(b"".join(ends))


def swap_hash(chain_id: int, exchange: bytes, account: bytes, ref: bytes) -> bytes:
    """The swap's id on chain."""
    return keccak(number_word(chain_id) + address_word(exchange) + address_word(account) + hash_word(ref))


def terms_hash(terms: LaneTerms) -> bytes:
    """What an acceptance names: `hashTerms` of the contract."""
    return keccak(_terms(terms))


# Lanes. Programmes are ids of the registry.


def encode_propose(source: bytes, destination: bytes, proposer: bytes, terms: LaneTerms) -> bytes:
    """propose(source, destination, proposer, terms)."""
    return _PROPOSE + hash_word(source) + hash_word(destination) + hash_word(proposer) + _terms(terms)


def encode_accept(source: bytes, destination: bytes, acceptor: bytes, terms: LaneTerms) -> bytes:
    """accept(source, destination, acceptor, terms)."""
    return _ACCEPT + hash_word(source) + hash_word(destination) + hash_word(acceptor) + _terms(terms)


def encode_withdraw_proposal(source: bytes, destination: bytes, proposer: bytes) -> bytes:
    """withdrawProposal(source, destination, proposer)."""
    return _WITHDRAW_PROPOSAL + hash_word(source) + hash_word(destination) + hash_word(proposer)


def encode_stop(source: bytes, destination: bytes, programme_id: bytes) -> bytes:
    """stop(source, destination, programmeId)."""
    return _STOP + hash_word(source) + hash_word(destination) + hash_word(programme_id)


# Swaps


def encode_swap(request: SwapRequest, quote: Quote = NO_QUOTE) -> bytes:
    """swap(request, quote), sent by the holder."""
    return _SWAP + _request(request) + number_word(7 * 32) + _quote(quote)


def encode_swap_managed(member_key: bytes, request: SwapRequest, quote: Quote = NO_QUOTE) -> bytes:
    """swapManaged(memberKey, request, quote)."""
    return _SWAP_MANAGED + hash_word(member_key) + _request(request) + number_word(8 * 32) + _quote(quote)


def encode_swap_with_signature(
    account: bytes, request: SwapRequest, signature: bytes, quote: Quote = NO_QUOTE
) -> bytes:
    """swapWithSignature(account, request, quote, signature)."""
    quoted = _quote(quote)
    offsets = number_word(9 * 32) + number_word(9 * 32 + len(quoted))
    return _SWAP_SIGNED + address_word(account) + _request(request) + offsets + quoted + bytes_tail(signature)


def encode_confirm_posted(swap_id: bytes, pending: PendingSwap) -> bytes:
    """confirmPosted(swapId, pending); `pending` as SwapPending logged it."""
    return _CONFIRM_POSTED + hash_word(swap_id) + number_word(64) + _pending(pending)


def encode_refund_pending(swap_id: bytes, pending: PendingSwap) -> bytes:
    """refundPending(swapId, pending); `pending` as SwapPending logged it."""
    return _REFUND_PENDING + hash_word(swap_id) + number_word(64) + _pending(pending)


def _terms(terms: LaneTerms) -> bytes:
    numbers = (
        terms.rate_numerator,
        terms.rate_denominator,
        terms.fee_bps,
        terms.max_bonus_bps,
        terms.minimum_in,
        terms.daily_cap_out,
        terms.valid_until,
        terms.settlement_price,
        terms.carry_expiry,
        terms.posted,
    )
    return b"".join(number_word(number) for number in numbers)


def _request(request: SwapRequest) -> bytes:
    amounts = number_word(request.max_in) + number_word(request.min_out)
    parties = hash_word(request.lane_id) + address_word(request.to)
    return parties + amounts + hash_word(request.ref) + number_word(request.deadline)


def _quote(quote: Quote) -> bytes:
    head = hash_word(quote.quote_id) + hash_word(quote.lane_id) + number_word(quote.version)
    head += address_word(quote.account) + number_word(quote.max_in) + number_word(quote.bonus_bps)
    head += number_word(quote.expires_at) + address_word(quote.signer) + number_word(9 * 32)
    return head + bytes_tail(quote.signature)


def _pending(pending: PendingSwap) -> bytes:
    head = hash_word(pending.lane_id) + address_word(pending.account) + address_word(pending.to)
    head += number_word(pending.points_out) + number_word(pending.settlement)
    return head + number_word(pending.refundable_from) + number_word(7 * 32) + lots_tail(pending.lots)


# EIP-712


def swap_typed_data(
    *, exchange: bytes, chain_id: int, account: bytes, request: SwapRequest, quote_id: bytes = NO_QUOTE_ID
) -> TypedData:
    """The order that `account` signs for `encode_swap_with_signature`, as eth_signTypedData_v4 takes it."""
    fields = [("account", "address"), ("laneId", "bytes32"), ("to", "address"), ("maxIn", "uint256")]
    fields += [("minOut", "uint256"), ("ref", "bytes32"), ("quoteId", "bytes32"), ("deadline", "uint256")]
    return typed_data(
        Domain(exchange, DOMAIN_NAME, chain_id),
        "Swap",
        fields,
        {
            "account": to_checksum_address(account),
            "laneId": "0x" + hash_word(request.lane_id).hex(),
            "to": to_checksum_address(request.to),
            "maxIn": request.max_in,
            "minOut": request.min_out,
            "ref": "0x" + hash_word(request.ref).hex(),
            "quoteId": "0x" + hash_word(quote_id).hex(),
            "deadline": request.deadline,
        },
    )


def quote_typed_data(*, exchange: bytes, chain_id: int, quote: Quote) -> TypedData:
    """What the destination's quoter signs; the quote's own signer and signature are not part of it."""
    fields = [("quoteId", "bytes32"), ("laneId", "bytes32"), ("version", "uint32"), ("account", "address")]
    fields += [("maxIn", "uint48"), ("bonusBps", "uint16"), ("expiresAt", "uint48")]
    return typed_data(
        Domain(exchange, DOMAIN_NAME, chain_id),
        "Quote",
        fields,
        {
            "quoteId": "0x" + hash_word(quote.quote_id).hex(),
            "laneId": "0x" + hash_word(quote.lane_id).hex(),
            "version": quote.version,
            "account": to_checksum_address(quote.account),
            "maxIn": quote.max_in,
            "bonusBps": quote.bonus_bps,
            "expiresAt": quote.expires_at,
        },
    )


class Exchange(ContractReader):
    """Reads what the exchanges, on one chain and across chains, have in common. `block` is a number or a tag.

    Errors of every reader: `NodeError` and `ChainUnavailableError`.
    """

    def lane_of(self, lane: bytes, block: int | str = "latest") -> Lane:
        """The lane as it is now; all zero when nothing was ever agreed."""
        return read_struct(Lane, self._call("laneOf(bytes32)", hash_word(lane), block=block))

    def proposal_of(self, lane: bytes, proposer: bytes, block: int | str = "latest") -> bytes | None:
        """Hash of the terms that `proposer` has offered, if any."""
        answer = self._call("proposalOf(bytes32,bytes32)", hash_word(lane), hash_word(proposer), block=block)
        return answer if any(answer) else None

    def available_out(self, lane: bytes, block: int | str = "latest") -> int:
        """Points out that the lane's cap still allows."""
        return self._number("availableOut(bytes32)", hash_word(lane), block=block)

    def price(self, lane: bytes, max_in: int, bonus_bps: int = 0, block: int | str = "latest") -> Price:
        """What `max_in` points come to. Errors: also `ExecutionRevertedError`, as the contract refuses."""
        words = (hash_word(lane), number_word(max_in), number_word(bonus_bps))
        return read_struct(Price, self._call("price(bytes32,uint256,uint256)", *words, block=block))

    def status_of(self, swap_id: bytes, block: int | str = "latest") -> SwapStatus:
        """What became of a swap."""
        return SwapStatus(self._number("statusOf(bytes32)", hash_word(swap_id), block=block))

    def is_quote_used(self, destination: bytes, quote_id: bytes, block: int | str = "latest") -> bool:
        """Whether a quote of the destination programme has been used."""
        words = (hash_word(destination), hash_word(quote_id))
        return bool(self._number("isQuoteUsed(bytes32,bytes32)", *words, block=block))

    def notice_period_seconds(self, block: int | str = "latest") -> int:
        """Least time between an agreement and the change of terms in force."""
        return self._number("noticePeriod()", block=block)


class PointsExchange(Exchange):
    """Reads the exchange of one chain. `block` is a number or a tag."""

    def carried_lots(
        self, lane: bytes, lots: Sequence[Lot], points_out: int, block: int | str = "latest"
    ) -> tuple[Lot, ...]:
        """The lots that burnt `lots` become. Errors: also `ExecutionRevertedError`, as the contract refuses."""
        words = (hash_word(lane), number_word(96), number_word(points_out), lots_tail(lots))
        return read_lots(self._call("carriedLots(bytes32,(uint256,uint256)[],uint256)", *words, block=block))
