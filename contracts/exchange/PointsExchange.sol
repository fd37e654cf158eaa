// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IPointsExchange, PendingSwap, Price, Quote, SwapRequest, SwapStatus} from "../interfaces/IPointsExchange.sol";
import {Lot} from "../interfaces/IPointsToken.sol";
import {Calendar, ExpiryCarrying} from "../libraries/ExpiryCarrying.sol";
import {ExchangeControl} from "./ExchangeControl.sol";
import {ExchangeLanes, OpenLane} from "./ExchangeLanes.sol";
import {BurntSwap, ExchangeLegs} from "./ExchangeLegs.sol";
import {LaneRecord} from "./LaneRecords.sol";

/// @title Exchange of points between programmes.
/// @notice See IPointsExchange for what it promises and whom it trusts. Here is in whose name a swap happens, and how it
/// ends.
contract PointsExchange is ExchangeLegs {
    // slither-disable-start timestamp // deadlines are block times; seconds of leeway for a validator do not matter

    /// @param registry_ The list of programmes.
    /// @param clearingHouse_ Where debts are kept; this contract needs its EXCHANGE_ROLE.
    /// @param noticePeriod_ Least time between an agreement and the change of terms in force, in seconds.
    /// @param admin First DEFAULT_ADMIN, which grants PAUSER_ROLE.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(
        address registry_,
        address clearingHouse_,
        uint256 noticePeriod_,
        address admin,
        uint48 adminDelay
    )
        ExchangeControl(registry_, admin, adminDelay)
        ExchangeLanes(noticePeriod_)
        ExchangeLegs(clearingHouse_)
    {}

    /// @inheritdoc IPointsExchange
    function swap(SwapRequest calldata request, Quote calldata quote)
        external
        nonReentrant
        returns (bytes32 swapId, Price memory swapped)
    {
        address account = _msgSender();
        swapId = _freeSwapId(account, request.ref);
        swapped = _swap(swapId, account, request, quote);
    }

    /// @inheritdoc IPointsExchange
    function swapWithSignature(
        address account,
        SwapRequest calldata request,
        Quote calldata quote,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 swapId, Price memory swapped) {
        swapId = _freeSwapId(account, request.ref);
        _authorizeOrder(account, request, quote.quoteId, signature);
        swapped = _swap(swapId, account, request, quote);
    }

    /// @inheritdoc IPointsExchange
    function swapManaged(bytes32 memberKey, SwapRequest calldata request, Quote calldata quote)
        external
        nonReentrant
        returns (bytes32 swapId, Price memory swapped)
    {
        bytes32 source = _knownLane(request.laneId).source;
        address token = _tokenOf(source);
        address account = _managedAccount(token, memberKey);
        swapId = _freeSwapId(account, request.ref);
        _authorize(source, token, CUSTODIAN_ROLE);
        swapped = _swap(swapId, account, request, quote);
    }

    /// @inheritdoc IPointsExchange
    function confirmPosted(bytes32 swapId, PendingSwap calldata pending) external nonReentrant {
        _requirePending(swapId, pending);
        LaneRecord storage lane = _lanes[pending.laneId];
        bytes32 destination = lane.destination;
        _authorize(destination, _tokenOf(destination), ISSUER_ROLE);

        _setStatus(swapId, SwapStatus.Completed);
        emit SwapPosted(swapId, pending.laneId);
        if (pending.settlement != 0) {
            _clearingHouse.bookReserved(lane.source, destination, pending.settlement, swapId);
        }
    }

    /// @inheritdoc IPointsExchange
    // slither-disable-next-line reentrancy-events // what is restored is known after the call; nonReentrant
    function refundPending(bytes32 swapId, PendingSwap calldata pending) external nonReentrant {
        _requirePending(swapId, pending);
        LaneRecord storage lane = _lanes[pending.laneId];
        bool late = block.timestamp >= pending.refundableFrom;
        if (!late && !_hasTokenRole(_tokenOf(lane.destination), ISSUER_ROLE, _msgSender())) {
            revert NotRefundableYet(swapId, pending.refundableFrom);
        }

        _setStatus(swapId, SwapStatus.Refunded);
        if (pending.settlement != 0) {
            _clearingHouse.release(lane.source, lane.destination, pending.settlement, swapId);
        }
        (Lot[] memory restored, uint256 expiredAmount) =
            _restoreLots(_tokenOf(lane.source), pending.account, pending.lots);
        emit SwapRefunded(swapId, pending.laneId, pending.account, restored, expiredAmount);
    }

    /// @inheritdoc IPointsExchange
    function carriedLots(bytes32 laneId, Lot[] calldata lots, uint256 pointsOut) external view returns (Lot[] memory) {
        LaneRecord storage lane = _knownLane(laneId);
        return ExpiryCarrying.carry(
            lots,
            _calendarOf(_tokenOf(lane.source)),
            _calendarOf(_tokenOf(lane.destination)),
            pointsOut,
            block.timestamp
        );
    }

    /// @dev Checks, then both legs, or the burn leg and the wait. What a leg logs and what a swap waits with is known only once the
    /// points are burnt; the entry points are nonReentrant, and the swap's id is used up before the first call.
    // slither-disable-next-line reentrancy-benign,reentrancy-events // see above
    function _swap(bytes32 swapId, address account, SwapRequest calldata request, Quote calldata quote)
        private
        returns (Price memory priced)
    {
        _requireNotPaused();
        if (block.timestamp > request.deadline) revert SwapExpired(request.deadline);
        OpenLane memory lane = _openLane(request.laneId);
        address sourceToken = _activeToken(lane.source);
        address destinationToken = _activeToken(lane.destination);
        _requireReceiver(request.to);
        priced = _price(lane.terms, request.maxIn, quote.quoteId == 0 ? 0 : quote.bonusBps);
        if (priced.pointsOut < request.minOut) revert InsufficientOutput(priced.pointsOut, request.minOut);

        if (quote.quoteId != 0) _useQuote(lane, destinationToken, account, priced.pointsIn, quote);
        _setStatus(swapId, SwapStatus.Completed);
        BurntSwap memory burnt = BurntSwap({
            swapId: swapId,
            to: request.to,
            pointsOut: priced.pointsOut,
            settlement: priced.settlement,
            lots: new Lot[](0),
            calendar: Calendar(0, 0)
        });
        _burnLeg(lane, sourceToken, account, request.ref, quote.quoteId, priced, burnt);
        if (lane.terms.posted) _awaitPosting(lane, account, burnt);
        else _mintLeg(lane, destinationToken, burnt);
    }

    function _requireReceiver(address to) private view {
        if (to == address(0) || to == address(this) || _registry.programmeOf(to) != 0) revert InvalidReceiver(to);
    }

    function _knownLane(bytes32 laneId) private view returns (LaneRecord storage lane) {
        lane = _lanes[laneId];
        if (lane.source == 0) revert LaneNotOpen(laneId);
    }

    // slither-disable-end timestamp
}
