// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IExchange, Price, Quote, SwapRequest, SwapStatus} from "../interfaces/IExchange.sol";
import {Lot} from "../interfaces/IPointsToken.sol";
import {Calendar} from "../libraries/ExpiryCarrying.sol";
import {OpenLane} from "./ExchangeLanes.sol";
import {BurntSwap, ExchangeLegs} from "./ExchangeLegs.sol";

/// @title In whose name a swap happens, and its way up to the burn.
abstract contract ExchangeSwaps is ExchangeLegs {
    // slither-disable-start timestamp // deadlines are block times; seconds of leeway for a validator do not matter

    /// @inheritdoc IExchange
    function swap(SwapRequest calldata request, Quote calldata quote)
        external
        nonReentrant
        returns (bytes32 swapId, Price memory swapped)
    {
        address account = _msgSender();
        swapId = _freeSwapId(account, request.ref);
        swapped = _swap(swapId, account, request, quote);
    }

    /// @inheritdoc IExchange
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

    /// @inheritdoc IExchange
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

    /// @dev Reverts when this exchange cannot take the request, whatever its price.
    function _checkRequest(OpenLane memory lane, SwapRequest calldata request) internal view virtual;

    /// @dev What follows the burn.
    function _afterBurn(
        OpenLane memory lane,
        address destinationToken,
        address account,
        SwapRequest calldata request,
        Quote calldata quote,
        BurntSwap memory burnt
    ) internal virtual;

    /// @dev Checks, then the burn leg, then whatever follows it. What a leg logs and what a swap waits with is known only once the
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
        _checkRequest(lane, request);
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
        _afterBurn(lane, destinationToken, account, request, quote, burnt);
    }

    // slither-disable-end timestamp
}
