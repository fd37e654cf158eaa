"""Errors of lanes, quotes and swaps. Each detail says what to do."""

from __future__ import annotations

from backend.errors import ConflictError, InvalidRequestError, NotFoundError, UnavailableError


class LaneNotFoundError(NotFoundError):
    """No such lane, or none that the caller may see."""


class QuoteNotFoundError(NotFoundError):
    """No such quote, or none that the caller may see."""


class SwapNotFoundError(NotFoundError):
    """No such swap, or none that the caller may see."""


class ExchangeNotDeployedError(UnavailableError):
    """The deployment has no exchange, so there are neither lanes nor swaps."""

    slug = "exchange-not-deployed"
    title = "There is no exchange here"


class WrongNetworkError(ConflictError):
    """Something is of another chain than the exchange: the programme, or what a wallet signed."""

    slug = "wrong-network"
    title = "This is another network"


# Lanes


class LaneTermsError(InvalidRequestError):
    """A term of a lane is outside its range."""

    slug = "lane-terms"
    title = "These terms are not possible"


class ProposalChangedError(ConflictError):
    """The other programme offers no terms with this hash (any more); `terms_hash` is that of the present offer."""

    slug = "proposal-changed"
    title = "The proposal is another one"


class RoundTripGainsError(ConflictError):
    """With the lane in the opposite direction, points there and back would come to more than before."""

    slug = "round-trip-gains"
    title = "Points would grow by going there and back"


class LaneNotAgreedError(ConflictError):
    """The two programmes have not agreed to terms yet."""

    slug = "lane-not-agreed"
    title = "The programmes have not agreed to this lane"


class LaneStoppedError(ConflictError):
    """One of the two programmes has stopped the lane, or its terms are past their last second."""

    slug = "lane-stopped"
    title = "The lane is stopped"


# Quotes


class QuoteMismatchError(ConflictError):
    """The quote is another account's or another lane's."""

    slug = "quote-mismatch"
    title = "The quote is not for this"


class QuoteTermsChangedError(ConflictError):
    """The quote was given on other terms of the lane than those in force."""

    slug = "quote-terms-changed"
    title = "The lane's terms have changed since"


class QuoteExpiredError(ConflictError):
    """The quote is past its last second."""

    slug = "quote-expired"
    title = "The quote has expired"


class QuoteUsedError(ConflictError):
    """The quote has been used, or a swap that uses it is on its way."""

    slug = "quote-used"
    title = "The quote is used"


class QuoteExceededError(ConflictError):
    """The quote is good for fewer points; `max_points_in` says for how many."""

    slug = "quote-exceeded"
    title = "More points than the quote is good for"


class QuoteSignatureError(ConflictError):
    """The quote is not signed by an account that may sign quotes of the destination programme (any more)."""

    slug = "quote-signature"
    title = "The quote's signature does not count"


class BonusTooHighError(ConflictError):
    """The lane allows a smaller bonus; `max_bonus_bps` says which."""

    slug = "bonus-too-high"
    title = "The lane allows no such bonus"


class NotQuoterError(ConflictError):
    """The programme's quoter has not been given QUOTER_ROLE of its token."""

    slug = "not-quoter"
    title = "The programme cannot sign quotes"


# Swaps


class BelowMinimumError(ConflictError):
    """Fewer points in than the lane takes; `minimum_points_in` says how many it does."""

    slug = "below-minimum"
    title = "Too few points for this lane"


class TooFewPointsError(ConflictError):
    """The points would not come to a single point at the destination, or to more than a lot can hold."""

    slug = "swap-amount"
    title = "Not an amount that can be swapped"


class OutputBelowMinimumError(ConflictError):
    """The swap would give less than `min_points_out`; `points_out` says how much."""

    slug = "output-below-minimum"
    title = "It would give less than asked for"


class DailyCapReachedError(ConflictError):
    """The lane gives no more than its cap in 24 hours; `available_points_out` can go now, more from `frees_at` on."""

    slug = "daily-cap-reached"
    title = "The lane's daily cap is reached"


class ExpiryNotCarriableError(ConflictError):
    """Points that expire sooner than any point of the destination cannot be swapped on this lane."""

    slug = "expiry-not-carriable"
    title = "These points expire too soon to be swapped"


class DebitCapReachedError(ConflictError):
    """The source programme may owe the destination no more now."""

    slug = "debit-cap-reached"
    title = "The programme may not owe that much more"


class SupplyCapReachedError(ConflictError):
    """The destination programme may not give out that many more points."""

    slug = "supply-cap-reached"
    title = "The programme may not give out that many more points"


class ProgrammeNotActiveError(ConflictError):
    """A programme, or the exchange as a whole, is paused or suspended."""

    slug = "programme-not-active"
    title = "Paused"


class NotEnrolledError(ConflictError):
    """The member has no account in a programme of the lane; `programme_id` says in which."""

    slug = "not-enrolled"
    title = "The member is not enrolled there"


class DeadlinePastError(ConflictError):
    """The deadline is past."""

    slug = "deadline-past"
    title = "The deadline is past"


class OrderSignatureError(ConflictError):
    """The order is not signed by the member's wallet, or another order was signed."""

    slug = "order-signature"
    title = "The signature is not the wallet's over this order"


class SwapRefusedError(ConflictError):
    """The chain would refuse the swap; `error` is the contract's name for why."""

    slug = "swap-refused"
    title = "The chain would refuse this swap"


# Between chains


class LaneStartsAbroadError(ConflictError):
    """Swaps on this lane begin on the chain `chain_id`, where the source's points live."""

    slug = "lane-starts-abroad"
    title = "Swaps on this lane begin on another chain"


class RecipientRequiredError(InvalidRequestError):
    """The lane leads to the chain `chain_id`: the request has to say which account there gets the points."""

    slug = "recipient-required"
    title = "Which account on the other chain?"


class RecipientNotTakenError(InvalidRequestError):
    """The request names an account that cannot get the points: on this chain they go to the member's own."""

    slug = "recipient-not-taken"
    title = "No such recipient"


class DeadlineTooFarError(ConflictError):
    """A swap to another chain may not wait that long; `latest` says how long it may."""

    slug = "deadline-too-far"
    title = "The deadline is too far off"


class NotLinkedError(ConflictError):
    """The exchange is not linked with the chain where the destination's points live."""

    slug = "not-linked"
    title = "The chains are not linked"
