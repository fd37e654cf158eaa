// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {LaneTerms, Quote, SwapRequest, SwapStatus} from "../interfaces/IExchange.sol";
import {IPointsExchange, PendingSwap} from "../interfaces/IPointsExchange.sol";
import {Lot} from "../interfaces/IPointsToken.sol";
import {ExpiryCarrying} from "../libraries/ExpiryCarrying.sol";
import {ExchangeControl} from "./ExchangeControl.sol";
import {ExchangeLanes, OpenLane} from "./ExchangeLanes.sol";
import {BurntSwap, ExchangeLegs} from "./ExchangeLegs.sol";
import {ExchangeSwaps} from "./ExchangeSwaps.sol";
import {LaneRecord} from "./LaneRecords.sol";

/// @title Exchange of points between programmes of one chain.
/// @notice See IPointsExchange for what it promises and whom it trusts. Here is how a swap ends: at once, or on posted lanes
/// when its destination says so.
contract PointsExchange is ExchangeSwaps, IPointsExchange {
    // slither-disable-start timestamp // a wait ends by block time; seconds of leeway for a validator do not matter

    /// @inheritdoc IPointsExchange
    uint256 public constant POSTING_WINDOW = 7 days;

    bytes32 private constant ISSUER_ROLE = keccak256("ISSUER_ROLE");

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
    function confirmPosted(bytes32 swapId, PendingSwap calldata pending) external nonReentrant {
        _requirePending(swapId, keccak256(abi.encode(pending)));
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
        _requirePending(swapId, keccak256(abi.encode(pending)));
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

    /// @dev All lanes.
    function _checkAgreement(bytes32, bytes32, bytes32, LaneTerms memory) internal override {}

    /// @dev Every programme of a PointsExchange is at home here.
    function _homeOf(bytes32) internal view override returns (uint256) {
        return block.chainid;
    }

    function _checkRequest(OpenLane memory, SwapRequest calldata request) internal view override {
        address to = request.to;
        if (to == address(0) || to == address(this) || _registry.programmeOf(to) != 0) revert InvalidReceiver(to);
    }

    /// @dev The mint leg, or on posted lanes the wait.
    function _afterBurn(
        OpenLane memory lane,
        address destinationToken,
        address account,
        SwapRequest calldata,
        Quote calldata,
        BurntSwap memory burnt
    ) internal override {
        if (lane.terms.posted) _awaitPosting(lane, account, burnt);
        else _mintLeg(lane, destinationToken, burnt);
    }

    /// @dev Counts the points, sets the debt aside and waits.
    // slither-disable-next-line reentrancy-events // logged once it has happened; entry points are nonReentrant
    function _awaitPosting(OpenLane memory lane, address account, BurntSwap memory burnt) private {
        _countOut(lane, burnt.pointsOut);
        PendingSwap memory pending = PendingSwap({
            laneId: lane.id,
            account: account,
            to: burnt.to,
            pointsOut: burnt.pointsOut,
            settlement: burnt.settlement,
            refundableFrom: block.timestamp + POSTING_WINDOW,
            lots: burnt.lots
        });
        _setPending(burnt.swapId, keccak256(abi.encode(pending)));
        if (burnt.settlement != 0) {
            _clearingHouse.reserve(lane.source, lane.destination, burnt.settlement, burnt.swapId);
        }
        emit SwapPending(burnt.swapId, lane.id, pending);
    }

    // slither-disable-end timestamp
}
