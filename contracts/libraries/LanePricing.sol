// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {LaneTerms, Price} from "../interfaces/IExchange.sol";

/// @title What a swap comes to.
/// @notice With `net = rateNumerator * (10000 - feeBps)` and `den = rateDenominator * 10000`, a point in is worth `net / den`
/// points out, and `(10000 + bonusBps) / 10000` times as many with a bonus. Rounding is in the functions' names; together
/// they see to it that splitting a swap never gives more nor costs less.
/// @dev Bounds: `net` and `den` stay below 2^46, a factor of a bonus below 2^15, points below 2^48, the settlement price below
/// 2^80. No product below comes near 2^256.
library LanePricing {
    uint256 internal constant BPS = 10_000;
    uint256 internal constant MAX_POINTS = type(uint48).max;
    /// @dev Points out that `settlementPrice` is the price of.
    uint256 private constant PRICE_UNIT = 1_000_000;

    /// @notice Most points out for `pointsIn`.
    function pointsOutRoundingDown(LaneTerms memory terms, uint256 pointsIn, uint256 bonusBps)
        internal
        pure
        returns (uint256)
    {
        (uint256 net, uint256 den) = netRate(terms);
        // unchecked: the bounds above; `den` is not zero.
        unchecked {
            return (pointsIn * net * (BPS + bonusBps)) / (den * BPS);
        }
    }

    /// @notice Fewest points in that give `pointsOut`.
    function pointsInRoundingUp(LaneTerms memory terms, uint256 pointsOut, uint256 bonusBps)
        internal
        pure
        returns (uint256)
    {
        (uint256 net, uint256 den) = netRate(terms);
        // unchecked: the bounds above; `gives` is not zero: the rate is not, and the fee is below the whole.
        unchecked {
            uint256 gives = net * (BPS + bonusBps);
            return (pointsOut * den * BPS + gives - 1) / gives;
        }
    }

    /// @notice What the source owes for `baseOut` points out, in the smallest unit of the settlement currency.
    function settlementRoundingUp(LaneTerms memory terms, uint256 baseOut) internal pure returns (uint256) {
        // unchecked: the bounds above.
        unchecked {
            return (baseOut * terms.settlementPrice + PRICE_UNIT - 1) / PRICE_UNIT;
        }
    }

    /// @notice All of the above for a swap of at most `maxIn` points, which must be below 2^48.
    function price(LaneTerms memory terms, uint256 maxIn, uint256 bonusBps) internal pure returns (Price memory priced) {
        priced.pointsOut = pointsOutRoundingDown(terms, maxIn, bonusBps);
        priced.pointsIn = pointsInRoundingUp(terms, priced.pointsOut, bonusBps);
        priced.baseOut = bonusBps == 0 ? priced.pointsOut : pointsOutRoundingDown(terms, priced.pointsIn, 0);
        priced.settlement = settlementRoundingUp(terms, priced.baseOut);
    }

    /// @notice Whether points that go out on one lane and back on the other can come to more than before.
    function roundTripGains(LaneTerms memory there, LaneTerms memory back) internal pure returns (bool) {
        (uint256 netThere, uint256 denThere) = netRate(there);
        (uint256 netBack, uint256 denBack) = netRate(back);
        // unchecked: the bounds above.
        unchecked {
            return netThere * netBack > denThere * denBack;
        }
    }

    /// @notice Points out for points in, as a fraction.
    function netRate(LaneTerms memory terms) internal pure returns (uint256 net, uint256 den) {
        return (terms.rateNumerator * (BPS - terms.feeBps), terms.rateDenominator * BPS);
    }
}
