// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IExchange, LaneTerms, Price, Quote, SwapRequest, SwapStatus} from "../../contracts/interfaces/IExchange.sol";
import {IPointsExchange, PendingSwap} from "../../contracts/interfaces/IPointsExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {ExchangeRig} from "./ExchangeRig.sol";

/// @notice Random agreements, swaps and endings of swaps, each done on the model as well. What must be refused is tried, and
/// must be refused with the error the model says.
contract PointsExchangeHandler is ExchangeRig {
    struct Waiting {
        bytes32 swapId;
        uint256 lane;
        uint256 since;
        bytes pending;
    }

    bytes32[] public swapIds;
    mapping(bytes32 swapId => SwapStatus status) public expectedStatus;
    bytes32[] public quoteIds;
    mapping(bytes32 quoteId => uint256 lane) public laneOfQuote;
    Waiting[] private _waiting;
    Order private _last;
    uint256 private _count;

    // Time, points, terms

    /// @notice Time passes: mostly hours, at times days or months.
    function pass(uint256 seed) external {
        uint256 kind = seed % 8;
        uint256 most = kind < 5 ? 7 hours : kind < 7 ? 4 days : 30 days;
        vm.warp(block.timestamp + ((seed >> 8) % most));
    }

    function earn(uint256 programme, uint256 member, uint256 amount) public {
        programme %= PROGRAMMES;
        address account = accounts[programme][member % MEMBERS];
        amount = amount % 4 == 0 ? 1 + (amount >> 8) % 1e9 : 1 + (amount >> 8) % 3000;
        if (_isTokenPaused(programme)) _togglePause(programme);
        tokens[programme].issue(account, amount, _newRef());
        _points[programme][account][modelEpoch(programme)] += amount;
    }

    /// @notice A member earns epoch after epoch and comes to have many lots. Left to chance alone that is rare.
    function earnForLong(uint256 programme, uint256 member, uint256 seed) public {
        for (uint256 i = 0; i < 3 + seed % 4; ++i) {
            earn(programme, member, uint256(keccak256(abi.encode(seed, i))));
            vm.warp(block.timestamp + _epochLengths[programme % PROGRAMMES] * ((seed >> 8) % 3) / 2);
        }
    }

    /// @notice One programme proposes terms and the other accepts; refused when points there and back would gain.
    function agree(uint256 lane, uint256 seed) external {
        _agree(_lane(lane), seed);
    }

    function _agree(uint256 lane, uint256 seed) private {
        (bytes32 source, bytes32 destination) = (ids[sourceOf(lane)], ids[destinationOf(lane)]);
        LaneTerms memory terms = _randomTerms(lane, seed);
        bool bySource = seed % 2 == 0;
        exchange.propose(source, destination, bySource ? source : destination, terms);
        if (_gains(lane, terms)) {
            vm.expectRevert(abi.encodeWithSelector(IExchange.RoundTripGains.selector, laneIdOf(lane)));
            return exchange.accept(source, destination, bySource ? destination : source, terms);
        }
        exchange.accept(source, destination, bySource ? destination : source, terms);
        _modelAgree(lane, terms, NOTICE);
    }

    function stop(uint256 lane, uint256 seed) external {
        lane = _lane(lane);
        if (_model[lane].agreements == 0 || seed % 4 != 0) return;
        exchange.stop(ids[sourceOf(lane)], ids[destinationOf(lane)], ids[destinationOf(lane)]);
        _modelStop(lane);
    }

    /// @notice Stops are kept rare and short: a swap tried during one ends it.
    function pause(uint256 seed) external {
        if (seed % 3 != 0) return;
        if ((seed >> 8) % 2 == 0) return _togglePause((seed >> 16) % PROGRAMMES);
        if (!_exchangePaused) exchange.pause();
        _exchangePaused = true;
    }

    // Swaps

    function swap(uint256 lane, uint256 member, uint256 amount, uint256 seed) public {
        lane = _prepared(lane, member, seed);
        Order memory order = _order(lane, member % MEMBERS, amount, seed);
        _try(order, member % MEMBERS, seed);
    }

    function swapWithQuote(uint256 lane, uint256 member, uint256 amount, uint256 seed) public {
        lane = _prepared(lane, member, seed);
        Order memory order = _order(lane, member % MEMBERS, amount, seed);
        Quote memory quote = order.quote;
        quote.quoteId = _newRef();
        quote.laneId = seed % 16 == 0 ? bytes32(seed) : laneIdOf(lane);
        // Now and then a quote for the terms before.
        quote.version = uint32(modelVersion(lane) - (seed % 13 == 0 ? 1 : 0));
        quote.account = (seed >> 8) % 16 == 0 ? order.to : order.account;
        quote.maxIn = uint48((seed >> 16) % 8 == 0 ? order.maxIn / 2 : order.maxIn);
        uint256 most = modelTerms(lane).maxBonusBps;
        quote.bonusBps = uint16((seed >> 24) % 16 == 0 ? most + 1 : (seed >> 24) % (most + 1));
        quote.expiresAt = uint48((seed >> 40) % 16 == 0 ? block.timestamp - 1 : block.timestamp);
        _signQuote(quote);
        if (_try(order, member % MEMBERS, seed)) {
            quoteIds.push(quote.quoteId);
            laneOfQuote[quote.quoteId] = lane;
        }
    }

    /// @notice A swap in small pieces, against what the whole would come to.
    function swapDust(uint256 lane, uint256 member, uint256 amount, uint256 pieces) external {
        lane = _lane(lane);
        member %= MEMBERS;
        Order memory order = _order(lane, member, amount, 0);
        if (_outcome(order).refusal.length != 0) return;
        pieces = 2 + pieces % 4;
        LaneTerms memory terms = modelTerms(lane);
        Price memory whole = _modelPrice(terms, order.maxIn, 0);
        Price memory together;
        for (uint256 i = 0; i < pieces; ++i) {
            Order memory piece = _order(lane, member, 0, 0);
            piece.maxIn = order.maxIn / pieces;
            Price memory part = _outcome(piece).price;
            if (!_try(piece, member, i)) continue;
            together.pointsIn += part.pointsIn;
            together.pointsOut += part.pointsOut;
            together.settlement += part.settlement;
        }
        _true(together.pointsOut <= whole.pointsOut, "splitting gives no more");
        Price memory same = _modelPrice(terms, together.pointsIn, 0);
        _true(together.pointsOut <= same.pointsOut, "pieces give no more than their points in do at once");
        _true(together.settlement >= _settlementOf(terms, together.pointsOut), "splitting does not make the debt smaller");
    }

    /// @notice There and back at once, by the same member: never more points than before.
    function roundTrip(uint256 lane, uint256 wallet, uint256 amount) external {
        lane = _lane(lane);
        wallet %= WALLETS;
        address account = accounts[0][wallet];
        uint256 home = sourceOf(lane);
        uint256 before = modelBalance(home, account);
        Order memory there = _order(lane, wallet, amount, 0);
        there.to = account;
        if (modelTerms(lane).posted || !_try(there, wallet, 0)) return;
        Order memory back = _order(oppositeOf(lane), wallet, 0, 0);
        back.to = account;
        back.maxIn = _modelPrice(modelTerms(lane), there.maxIn, 0).pointsOut;
        _try(back, wallet, 0);
        _true(tokens[home].balanceOf(account) <= before, "there and back gains nothing");
    }

    /// @notice The last swap that happened, sent again, and its quote with another ref.
    function repeat(uint256 seed) external {
        Order memory order = _last;
        if (order.ref == 0) return;
        SwapRequest memory request = _requestOf(order);
        vm.prank(order.account);
        vm.expectRevert(abi.encodeWithSelector(IExchange.SwapRefUsed.selector, order.ref, order.account));
        exchange.swap(request, order.quote);
        if (order.quote.quoteId == 0 || order.account == accounts[sourceOf(order.lane)][WALLETS]) return;
        order.ref = _newRef();
        _true(_outcome(order).refusal.length != 0, "a used quote is refused");
        _try(order, order.account == accounts[0][0] ? 0 : 1, seed);
    }

    // What waits

    function confirm(uint256 which, uint256 seed) external {
        if (_waiting.length == 0) return;
        Waiting memory waiting = _waiting[which % _waiting.length];
        PendingSwap memory pending = abi.decode(waiting.pending, (PendingSwap));
        if (seed % 8 == 0) pending.pointsOut += 1;
        if (seed % 8 == 0) {
            vm.expectRevert(abi.encodeWithSelector(IExchange.PendingMismatch.selector, waiting.swapId));
            return exchange.confirmPosted(waiting.swapId, pending);
        }
        exchange.confirmPosted(waiting.swapId, pending);
        booked[waiting.lane] += pending.settlement;
        _end(which % _waiting.length, waiting, pending, SwapStatus.Completed);
    }

    /// @notice At times just when anyone may, or a second before.
    function refund(uint256 which, bool byStranger) external {
        if (_waiting.length == 0) return;
        Waiting memory waiting = _waiting[which % _waiting.length];
        PendingSwap memory pending = abi.decode(waiting.pending, (PendingSwap));
        uint256 edge = pending.refundableFrom - (which >> 8) % 2;
        if ((which >> 16) % 4 == 0 && edge > block.timestamp) vm.warp(edge);
        uint256 source = sourceOf(waiting.lane);
        if (_isTokenPaused(source)) _togglePause(source);
        bool early = block.timestamp < waiting.since + exchange.POSTING_WINDOW();
        if (byStranger) vm.prank(address(0x57a));
        if (byStranger && early) {
            bytes4 refusal = IPointsExchange.NotRefundableYet.selector;
            vm.expectRevert(abi.encodeWithSelector(refusal, waiting.swapId, pending.refundableFrom));
            return exchange.refundPending(waiting.swapId, pending);
        }
        exchange.refundPending(waiting.swapId, pending);
        _add(source, pending.account, _live(source, pending.lots));
        _end(which % _waiting.length, waiting, pending, SwapStatus.Refunded);
    }

    // What the invariants read

    function swapCount() external view returns (uint256) {
        return swapIds.length;
    }

    function quoteCount() external view returns (uint256) {
        return quoteIds.length;
    }

    // Helpers

    /// @dev Tries an order; it must come to what the model says. Ends the stop of the exchange that it met.
    function _try(Order memory order, uint256 member, uint256 seed) private returns (bool done) {
        Outcome memory outcome = _outcome(order);
        if (outcome.refusal.length != 0) {
            _expectRefusal(order, member, outcome.refusal);
            _endStops(order.lane);
            return false;
        }
        bytes32 swapId = _send(order, member, seed % 3 == 0);
        _true(swapId == exchange.swapIdOf(order.account, order.ref), "id of a swap");
        _checkRate(modelTerms(order.lane), order, outcome.price);
        _modelSwap(order, outcome);
        _true(outInLastDay(order.lane) <= modelTerms(order.lane).dailyCapOut, "cap over the last 24 hours");
        _checkExpiry(order.lane, outcome);
        _note(order, swapId, outcome);
        return true;
    }

    function _expectRefusal(Order memory order, uint256 member, bytes memory refusal) private {
        SwapRequest memory request = _requestOf(order);
        if (member != WALLETS) vm.prank(order.account);
        vm.expectRevert(refusal);
        if (member == WALLETS) exchange.swapManaged(MEMBER_KEY, request, order.quote);
        else exchange.swap(request, order.quote);
    }

    function _note(Order memory order, bytes32 swapId, Outcome memory outcome) private {
        swapIds.push(swapId);
        expectedStatus[swapId] = SwapStatus.Completed;
        _last = order;
        if (!modelTerms(order.lane).posted) return;
        expectedStatus[swapId] = SwapStatus.Pending;
        PendingSwap memory pending = PendingSwap({
            laneId: laneIdOf(order.lane),
            account: order.account,
            to: order.to,
            pointsOut: outcome.price.pointsOut,
            settlement: outcome.price.settlement,
            refundableFrom: block.timestamp + 7 days,
            lots: outcome.burnt
        });
        _waiting.push(Waiting(swapId, order.lane, block.timestamp, abi.encode(pending)));
    }

    /// @dev A swap that has ended cannot end again.
    function _end(uint256 index, Waiting memory waiting, PendingSwap memory pending, SwapStatus status) private {
        reserved[waiting.lane] -= pending.settlement;
        expectedStatus[waiting.swapId] = status;
        vm.expectRevert(abi.encodeWithSelector(IExchange.PendingMismatch.selector, waiting.swapId));
        exchange.confirmPosted(waiting.swapId, pending);
        vm.expectRevert(abi.encodeWithSelector(IExchange.PendingMismatch.selector, waiting.swapId));
        exchange.refundPending(waiting.swapId, pending);
        _waiting[index] = _waiting[_waiting.length - 1];
        _waiting.pop();
    }

    /// @dev The agreed rate, without divisions: no more points out than the points in are worth, no point in too many.
    function _checkRate(LaneTerms memory terms, Order memory order, Price memory priced) private pure {
        uint256 bonusBps = order.quote.quoteId == 0 ? 0 : order.quote.bonusBps;
        uint256 gives = uint256(terms.rateNumerator) * (10_000 - terms.feeBps) * (10_000 + bonusBps);
        uint256 takes = uint256(terms.rateDenominator) * 1e8;
        _true(priced.pointsOut * takes <= priced.pointsIn * gives, "no more than the agreed rate");
        _true((priced.pointsIn - 1) * gives < priced.pointsOut * takes, "no point in too many");
        _true(priced.pointsIn <= order.maxIn && priced.pointsOut >= order.minOut, "what was asked for");
    }

    /// @dev On lanes that carry expiry, no more points live past any time than their share of the burnt points would have.
    function _checkExpiry(uint256 lane, Outcome memory outcome) private view {
        if (!modelTerms(lane).carryExpiry) return;
        for (uint256 i = 0; i < outcome.minted.length; ++i) {
            uint256 end = endOf(destinationOf(lane), outcome.minted[i].epoch);
            uint256 mintedLater = 0;
            uint256 burntLater = 0;
            for (uint256 j = 0; j < outcome.minted.length; ++j) {
                if (endOf(destinationOf(lane), outcome.minted[j].epoch) >= end) mintedLater += outcome.minted[j].amount;
            }
            for (uint256 j = 0; j < outcome.burnt.length; ++j) {
                if (endOf(sourceOf(lane), outcome.burnt[j].epoch) >= end) burntLater += outcome.burnt[j].amount;
            }
            uint256 share = burntLater * outcome.price.pointsOut + outcome.price.pointsIn - 1;
            _true(mintedLater <= share / outcome.price.pointsIn, "expiry is not extended");
        }
    }

    function _order(uint256 lane, uint256 member, uint256 amount, uint256 seed)
        private
        returns (Order memory order)
    {
        order.lane = lane;
        order.account = accounts[sourceOf(lane)][member];
        order.to = accounts[destinationOf(lane)][(seed >> 64) % MEMBERS];
        uint256 balance = modelBalance(sourceOf(lane), order.account);
        // Mostly within the balance, at times all of it, or one too many.
        order.maxIn = amount % 3 == 0 ? balance + (amount >> 8) % 2 : balance == 0 ? 1 : 1 + (amount >> 8) % balance;
        order.minOut = (seed >> 72) % 16 == 15 ? order.maxIn : 0;
        order.deadline = (seed >> 80) % 16 == 15 ? block.timestamp - 1 : block.timestamp;
        order.ref = _newRef();
    }

    function _randomTerms(uint256 lane, uint256 seed) private view returns (LaneTerms memory terms) {
        terms.rateNumerator = uint32(1 + (seed >> 8) % ((seed >> 16) % 4 == 0 ? 1000 : 4));
        terms.rateDenominator = uint32(1 + (seed >> 24) % ((seed >> 32) % 4 == 0 ? 1000 : 6));
        terms.feeBps = uint16((seed >> 40) % 3 == 0 ? 0 : (seed >> 48) % 4000);
        terms.maxBonusBps = uint16((seed >> 64) % 10_001);
        terms.minimumIn = uint48(1 + (seed >> 80) % 5);
        terms.dailyCapOut = uint48((seed >> 96) % 3 == 0 ? (seed >> 104) % 1e4 : (seed >> 104) % (1 << 44));
        terms.validUntil = uint48(block.timestamp + NOTICE + (seed >> 160) % 400 days);
        terms.settlementPrice = uint80((seed >> 200) % 4 == 0 ? 0 : (seed >> 208) % 1e7);
        terms.carryExpiry = (seed >> 232) % 2 == 0;
        // The last programme keeps its points elsewhere at times.
        terms.posted = destinationOf(lane) == PROGRAMMES - 1 && (seed >> 240) % 4 != 0;
    }

    function _settlementOf(LaneTerms memory terms, uint256 out) private pure returns (uint256) {
        return (out * terms.settlementPrice) / 1_000_000;
    }

    function _togglePause(uint256 programme) private {
        if (_isTokenPaused(programme)) tokens[programme].unpause();
        else tokens[programme].pause();
        _pausedTokens ^= 1 << programme;
    }

    function _endStops(uint256 lane) private {
        if (_exchangePaused) exchange.unpause();
        _exchangePaused = false;
        if (_isTokenPaused(sourceOf(lane))) _togglePause(sourceOf(lane));
        if (_isTokenPaused(destinationOf(lane))) _togglePause(destinationOf(lane));
    }

    /// @dev A lane, which mostly gets terms when it has none, and its member points.
    function _prepared(uint256 lane, uint256 member, uint256 seed) private returns (uint256) {
        lane = _lane(lane);
        if (seed % 8 == 0) return lane;
        uint256 other = uint256(keccak256(abi.encode(seed)));
        if (modelBalance(sourceOf(lane), accounts[sourceOf(lane)][member % MEMBERS]) < 10) {
            earnForLong(sourceOf(lane), member, other);
        }
        if (!modelOpen(lane)) _agree(lane, other);
        return lane;
    }

    /// @dev One of the six lanes between different programmes.
    function _lane(uint256 seed) private pure returns (uint256) {
        uint256 source = seed % PROGRAMMES;
        return source * PROGRAMMES + (source + 1 + (seed >> 8) % 2) % PROGRAMMES;
    }

    function _newRef() private returns (bytes32) {
        return bytes32(++_count);
    }
}
