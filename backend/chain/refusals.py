"""What each custom error of the contracts means, in a sentence that a member or a partner can act on.

Programmes appear by their ids on chain; whoever knows the lane or the account can say more.
"""

from __future__ import annotations

from typing import Final

_POINTS_SENTENCES: Final = {
    "AccessControlUnauthorizedAccount": "The account {account} has not been given the role this needs.",
    "CaptureExceedsHold": "{requested} points were to be captured but only {held} are held.",
    "ClawbackWindowClosed": "Points of epoch {epoch} can no longer be taken back: it is epoch {currentEpoch}.",
    "ECDSAInvalidSignature": "The signature is not valid.",
    "ERC20InsufficientAllowance": "The allowance is {allowance} points, {needed} are needed.",
    "ERC20InsufficientBalance": "The balance is {balance} points, {needed} are needed.",
    "ERC7818TransferredExpiredToken": "The points of epoch {epoch} have expired.",
    "EmptyBatch": "The batch has no credits.",
    "EnforcedPause": "The programme is paused; it goes on when the programme does.",
    "EpochInFuture": "Epoch {epoch} has not begun: it is epoch {currentEpoch}.",
    "EpochLimitReached": "The token has reached its last epoch; the programme must move to another token.",
    "HoldExpired": "The hold ended at {deadline} (Unix seconds) and can no longer be captured.",
    "HoldNotOpen": "There is no open hold under this reference.",
    "HoldStillActive": "The hold runs until {deadline} (Unix seconds); only the programme can release it before.",
    "InvalidAmount": "{amount} is not an amount of points that can be moved.",
    "InvalidDeadline": "The deadline {deadline} (Unix seconds) is past or too far in the future.",
    "InvalidSignature": "The signature is not the account's.",
    "RedemptionMismatch": "There is no redemption under this reference with this account and these lots.",
    "RefAlreadyUsed": "This reference has been used before.",
    "RefundExceedsRedemption": "{requested} points were to be refunded but only {remaining} of the redemption remain.",
    "SignatureExpired": "The signed order was valid until {deadline} (Unix seconds).",
    "SupplyCapExceeded": "The programme's cap is {cap} points; there would be {increasedSupply}.",
    "TransfersDisabled": "Points of this programme cannot be transferred between members.",
}

_EXCHANGE_SENTENCES: Final = {
    "BelowMinimum": "{pointsIn} points are fewer than this lane's minimum of {minimumIn}.",
    "BonusTooHigh": "The lane allows a bonus of {maxBonusBps} hundredths of a percent, not {bonusBps}.",
    "DailyCapExceeded": "The lane's points of 24 hours are nearly used up: {available} can go now, not {pointsOut}.",
    "ExpiryNotCarriable": (
        "{amount} points of epoch {epoch} expire too soon for the other programme: spend them here, or swap later."
    ),
    "InsufficientOutput": "The swap would give {pointsOut} points, fewer than {minOut}: ask for a new price.",
    "InvalidLaneTerms": "A term is outside its range.",
    "InvalidOrderSignature": "The order is not signed by the account {account}.",
    "InvalidQuoteSignature": "The quote is not signed by the destination programme: ask for a new one.",
    "InvalidReceiver": "{to} cannot receive points.",
    "InvalidSwapAmount": "{maxIn} points cannot be swapped: too many for a swap, or too few to get one point.",
    "LaneNotOpen": "No terms are in force for this lane: none were agreed, they ended, or a programme stopped them.",
    "NotAuthorized": "{caller} may not act for this programme.",
    "NotRefundableYet": "Until {refundableFrom} (Unix seconds) only the destination programme can end this swap.",
    "PendingMismatch": "No swap waits under this id with these values.",
    "ProgrammeNotActive": "The registry has no such programme, or it is suspended.",
    "ProposalMismatch": "The other programme has not offered these terms (any more).",
    "QuoteExceeded": "The quote is good for {maxIn} points, not {pointsIn}.",
    "QuoteExpired": "The quote was good until {expiresAt} (Unix seconds): ask for a new one.",
    "QuoteMismatch": "The quote is for another account, lane or terms: ask for a new one.",
    "QuoteUsed": "The quote has been used.",
    "RoundTripGains": "With the lane in the other direction, points there and back would come to more than before.",
    "SameProgramme": "A lane needs two different programmes.",
    "SwapExpired": "The swap could be made until {deadline} (Unix seconds).",
    "SwapRefUsed": "This account has used this reference before.",
    "TokenMismatch": "The token {token} moved {actual} points instead of {expected}.",
}

_CROSSCHAIN_SENTENCES: Final = {
    "AlreadyArrived": "Swap {number} of the lane has arrived before.",
    "DeadlineTooFar": "A swap to another chain must end by {latest} (Unix seconds), not at {deadline}.",
    "HomeAlreadyDeclared": "The programme is at home on chain {chainId}, and that cannot be changed.",
    "InvalidHome": "Chain {chainId} is not another chain, on which the programme could be at home.",
    "InvalidLink": "{counterpart}, through {gateway}, cannot be the exchange of chain {chainId}.",
    "InvalidMessage": "The message contradicts itself.",
    "LinkAlreadyRegistered": "There is a connection to chain {chainId} already, and that cannot be changed.",
    "NotCrosschain": "Swaps to another chain go from a programme of this chain to one of that chain.",
    "NotLinked": "There is no connection to chain {chainId}.",
    "RefundCapExceeded": (
        "The lane's refunds of 24 hours, {used} points, have reached its cap of {cap}. More can come back later."
    ),
    "WrongRoute": "A swap of this lane does not come from chain {chainId}.",
}

_GATEWAY_SENTENCES: Final = {
    "AttestersNotAscending": "The attester {attester} is zero, or does not come after the one before it.",
    "InsufficientGas": "The transaction has too little gas for its messages.",
    "InvalidApplication": "{account} has no code, or is the gateway itself.",
    "InvalidAttesterSet": "Of {n} attesters {k} cannot be the threshold: at least two, and at least two thirds.",
    "InvalidProof": "The messages are not in the batch.",
    "InvalidRecipient": "{recipient} is not the ERC-7930 address of an account on a chain that the gateway knows.",
    "InvalidRemote": "{gateway} cannot be the gateway of chain {chain}.",
    "NoPendingAttesters": "No other attesters are proposed.",
    "NotAnApplication": "{account} may not send messages, and is sent none.",
    "NotAnAttester": "{signer} is not an attester, or has signed something else.",
    "NotFailed": "The message has not failed.",
    "NothingToDeliver": "All of these messages have arrived before.",
    "PayloadTooLong": "The message has {length} bytes; {most} are allowed.",
    "RemoteAlreadySet": "The gateway of chain {chain} is {gateway}, and that cannot be changed.",
    "SignersNotAscending": "The signatures are not in ascending order of their signers.",
    "TooFewSignatures": "{given} signatures, and {threshold} are needed.",
    "UnexpectedAnswer": "{recipient} did not answer as a recipient of messages does.",
    "UnknownRemote": "{gateway} is not known as the gateway of chain {chain}.",
    "ValueNotSupported": "A message carries no money.",
}

_CLEARING_SENTENCES: Final = {
    "AlreadyJoined": "The programme takes part in the clearing already.",
    "CollateralInUse": "Of the collateral {available} is free, not {amount}: the rest covers what is owed.",
    "CreditLineInUse": "The credit line cannot be lowered so far: what is owed on it is not covered otherwise.",
    "CurrencyMismatch": "The settlement currency delivered {received} instead of {expected}.",
    "CycleNotSettled": "Cycle {cycle} must be settled first.",
    "CycleStillOpen": "The cycle can be closed from {closesAt} (Unix seconds) on.",
    "DeadlineNotPast": "Debtors have until {paymentDeadline} (Unix seconds) to pay.",
    "DebitCapExceeded": (
        "The source programme may owe the destination {available} more, not {amount}: it must post collateral or ask"
        " for a credit line."
    ),
    "HouseFull": "No further programme can take part in this clearing house.",
    "InDefault": "The programme is in default.",
    "InvalidClearingAmount": "{amount} is not an amount that can be booked.",
    "NotJoined": "The programme does not take part in the clearing.",
    "NotTreasurer": "{caller} may not handle this programme's money.",
    "NothingToSettle": "No cycle is being settled.",
    "Overpaid": "{outstanding} is still to pay, not {amount}.",
    "PaymentOutstanding": "A programme has still to pay {outstanding}.",
    "SameParty": "A programme cannot owe itself.",
    "ReservationMismatch": "The swap has a reservation, or none, contrary to what was asked.",
    "UnknownCycle": "Cycle {cycle} has not been closed.",
    "UnknownProgramme": "The registry has no such programme.",
}

SENTENCES: Final = {
    **_POINTS_SENTENCES,
    **_EXCHANGE_SENTENCES,
    **_CROSSCHAIN_SENTENCES,
    **_GATEWAY_SENTENCES,
    **_CLEARING_SENTENCES,
}
"""Format strings by the error's name; the fields are the error's arguments."""
