"""What an audit asks: id, title and explanation of each check, in the order of the report."""

from __future__ import annotations

from typing import Final

CHECKS: Final = (
    ("chain", "The right chain", "Chain id and genesis block are those of the manifest."),
    ("headers", "An unbroken chain of blocks", "Each block's hash follows from its fields and names the one before."),
    (
        "receipts",
        "No log dropped or altered",
        "Receipts of every block whose bloom admits our logs hash to that block's root; so are the calls read.",
    ),
    ("code", "The published code", "The code is the manifest's and the sources', with the stated terms in it."),
    ("registry", "The registry lists the programmes", "Each programme is registered with its token and code."),
    ("terms", "The stated terms", "The tokens answer with the terms of the manifest."),
    ("roles", "Who may do what", "Roles replayed from the logs are those the contracts hold, and the manifest's."),
    ("replay", "The logs replay", "Every movement can be explained lot by lot: no overspend, sums agree."),
    ("mints", "No points out of nothing", "Every mint and burn belongs to an issue, a batch, a refund or an exchange."),
    ("refs", "Every reference once", "No issue, batch, clawback, redemption or hold uses a reference twice."),
    ("batches", "Batches add up", "A batch's credits and total are those of its transfers."),
    ("redemptions", "Earliest points first", "A redemption's logged lots are those that expire first."),
    ("refunds", "Refunds stay within redemptions", "Original lots come back, latest-expiring first, never too many."),
    ("clawbacks", "Clawbacks within their window", "Only the named lot, only in time, never more than asked for."),
    ("holds", "Holds conserve points", "What was set aside was captured in time or went back, to the last point."),
    ("caps", "Supply caps kept", "Nothing issued or exchanged took the live supply above the cap of that moment."),
    (
        "pauses",
        "A stop is a stop",
        "Nothing moved while a token was paused, and nothing was swapped while the exchange was.",
    ),
    ("accounts", "Every account", "Lots and balance of each account on the chain are those replayed."),
    ("supply", "Supply", "The tokens' supply, whole and by epoch, is the sum of all lots."),
)
"""Asked of every deployment."""
EXCHANGE_CHECKS: Final = (
    (
        "lanes",
        "Lanes that both agreed to",
        "One programme proposed, the other accepted exactly that, with notice; points there and back never gain.",
    ),
    (
        "swaps",
        "Swaps on the terms in force",
        "Points in, points out and settlement follow from the terms of that moment.",
    ),
    (
        "legs",
        "Every burn ends once",
        "The account's earliest lots were burnt and then minted, posted or refunded as due; nothing else was minted.",
    ),
    (
        "quotes",
        "Bonuses that were promised",
        "A quoter of the destination had signed each, it kept within its limits, and it was used once.",
    ),
    (
        "orders",
        "Only who may",
        "Holder, holder's signature or custodian asked for each swap; programmes acted for themselves alone.",
    ),
    ("lane_caps", "Daily caps kept", "No 24 hours saw more points out of a lane than its cap."),
)
"""Asked where there is an exchange."""
CROSSCHAIN_CHECKS: Final = (
    (
        "messages",
        "No message lost or forged here",
        "Messages are numbered without gaps, their ids bind what they say, and they say what the exchange logged.",
    ),
)
"""Asked where there is an exchange with other chains."""
CROSSING_CHECKS: Final = (
    (
        "crossings",
        "Every burn has its mint or its refund",
        "What arrived on a chain was burnt on another, once, to the point; nothing was both minted and given back.",
    ),
    (
        "crossing_messages",
        "Every message was sent",
        "What a gateway took, the other gateway had been given, under the same number, and it was taken once.",
    ),
)
"""Asked of several chains together."""
CLEARING_CHECKS: Final = (
    (
        "debts",
        "Debts follow from swaps",
        "Each debt and reservation belongs to one swap and its programmes, to the unit.",
    ),
    (
        "clearing",
        "The house's rules",
        "Bounds held after every transaction; cycles, payments and defaults kept the rules.",
    ),
    (
        "positions",
        "Every position",
        "Standings, debts, lines and claims on the chain are those replayed; they sum to zero, the money is there.",
    ),
)
"""Asked where there is a clearing house."""
