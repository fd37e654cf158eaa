// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IExchange} from "./IExchange.sol";
import {Lot} from "./IPointsToken.sol";

/// @notice A burnt swap that waits for its destination. `SwapPending` logs it; whoever ends the swap shows it again.
/// @param laneId The lane.
/// @param account Who gave the points.
/// @param to Who is to get them.
/// @param pointsOut How many.
/// @param settlement What is reserved at the clearing house.
/// @param refundableFrom From this second on anyone may have it refunded, Unix time.
/// @param lots The lots that were burnt, earliest first.
struct PendingSwap {
    bytes32 laneId;
    address account;
    address to;
    uint256 pointsOut;
    uint256 settlement;
    uint256 refundableFrom;
    Lot[] lots;
}

/// @title Exchange of points between programmes of one chain.
/// @notice Both legs of a swap are one transaction. On a lane whose destination keeps its points in another system a swap is a
/// burn leg that waits, and ends in exactly one of *completed* or *refunded* (into the original lots).
///
/// Trust assumptions, besides those of IExchange
/// - ISSUER_ROLE of the destination's token says whether a posted swap arrived. It cannot keep it open longer than
///   POSTING_WINDOW.
interface IPointsExchange is IExchange {
    /// @notice The burnt swap waits for its destination.
    event SwapPending(bytes32 indexed swapId, bytes32 indexed laneId, PendingSwap pending);
    /// @notice The destination says that the points arrived in its own system. The swap is completed.
    event SwapPosted(bytes32 indexed swapId, bytes32 indexed laneId);

    /// @notice Until `refundableFrom` only the destination can end the swap.
    error NotRefundableYet(bytes32 swapId, uint256 refundableFrom);

    /// @notice How long a destination may take to say whether a posted swap arrived, in seconds.
    // slither-disable-next-line naming-convention // the getter of a constant
    function POSTING_WINDOW() external view returns (uint256);
    /// @notice The lots that burnt `lots` become at the destination (carried), adding up to `pointsOut`.
    function carriedLots(bytes32 laneId, Lot[] calldata lots, uint256 pointsOut) external view returns (Lot[] memory);

    /// @notice Says that a pending swap arrived. ISSUER_ROLE of the destination's token, while it is pending. Works while the
    /// exchange is paused: a pause must not turn what the destination has posted into a refund.
    function confirmPosted(bytes32 swapId, PendingSwap calldata pending) external;
    /// @notice Ends a pending swap with a refund. ISSUER_ROLE of the destination's token at any time, anyone from
    /// `refundableFrom` on. Works while the exchange is paused.
    function refundPending(bytes32 swapId, PendingSwap calldata pending) external;
}
