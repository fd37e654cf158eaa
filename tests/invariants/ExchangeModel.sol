// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IExchange, LaneTerms, Price, Quote} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {CalendarLedger} from "./CalendarLedger.sol";

/// @notice Lanes and swaps as docs/exchange.md words them, with no thought of gas. Lane `3 * s + d` goes from programme s to d.
abstract contract ExchangeModel is CalendarLedger {
    struct ModelLane {
        LaneTerms terms;
        LaneTerms next;
        uint256 version;
        uint256 nextVersion;
        uint256 nextFrom;
        uint256 agreements;
        bool agreed;
    }

    struct Order {
        uint256 lane;
        address account;
        address to;
        uint256 maxIn;
        uint256 minOut;
        uint256 deadline;
        bytes32 ref;
        Quote quote;
    }

    /// @notice What a swap must come to: an error, or a price and lots.
    struct Outcome {
        bytes refusal;
        Price price;
        Lot[] burnt;
        Lot[] minted;
    }

    struct Out {
        uint256 time;
        uint256 amount;
    }

    uint256 internal constant PROGRAMMES = 3;
    uint256 internal constant LANES = 9;

    mapping(uint256 lane => ModelLane) internal _model;
    mapping(uint256 lane => mapping(uint256 bucket => uint256 out)) internal _buckets;
    mapping(uint256 lane => Out[]) internal _outs;
    mapping(bytes32 quoteId => bool) internal _quoteUsed;
    mapping(uint256 lane => uint256 amount) public booked;
    mapping(uint256 lane => uint256 amount) public reserved;
    bool internal _exchangePaused;
    uint256 internal _pausedTokens;

    /// @notice Whether a lane has terms in force, as the model sees it.
    function modelOpen(uint256 lane) public view returns (bool) {
        LaneTerms memory terms = modelTerms(lane);
        return _model[lane].agreed && block.timestamp <= terms.validUntil;
    }

    /// @notice The terms in force, or the last ones.
    function modelTerms(uint256 lane) public view returns (LaneTerms memory) {
        return _isNextDue(lane) ? _model[lane].next : _model[lane].terms;
    }

    /// @notice Number of those terms.
    function modelVersion(uint256 lane) public view returns (uint256) {
        return _isNextDue(lane) ? _model[lane].nextVersion : _model[lane].version;
    }

    /// @notice Points that went out on a lane in the last 24 hours, to the second.
    function outInLastDay(uint256 lane) public view returns (uint256 amount) {
        Out[] storage outs = _outs[lane];
        for (uint256 i = outs.length; i > 0 && outs[i - 1].time + 24 hours > block.timestamp; --i) {
            amount += outs[i - 1].amount;
        }
    }

    function sourceOf(uint256 lane) public pure returns (uint256) {
        return lane / PROGRAMMES;
    }

    function destinationOf(uint256 lane) public pure returns (uint256) {
        return lane % PROGRAMMES;
    }

    function oppositeOf(uint256 lane) public pure returns (uint256) {
        return destinationOf(lane) * PROGRAMMES + sourceOf(lane);
    }

    /// @dev Agreed terms: in force at once, or after the notice.
    function _modelAgree(uint256 lane, LaneTerms memory terms, uint256 notice) internal {
        _settle(lane);
        ModelLane storage model = _model[lane];
        ++model.agreements;
        if (modelOpen(lane)) {
            model.next = terms;
            model.nextVersion = model.agreements;
            model.nextFrom = block.timestamp + notice;
        } else {
            model.terms = terms;
            model.version = model.agreements;
            model.nextFrom = 0;
            model.agreed = true;
        }
    }

    function _modelStop(uint256 lane) internal {
        _settle(lane);
        _model[lane].agreed = false;
        _model[lane].nextFrom = 0;
    }

    /// @dev Whether there-and-back comes to more than before with any terms that the opposite lane has or will have.
    function _gains(uint256 lane, LaneTerms memory terms) internal view returns (bool) {
        uint256 opposite = oppositeOf(lane);
        if (modelOpen(opposite) && _gainsWith(terms, modelTerms(opposite))) return true;
        return _model[opposite].nextFrom > block.timestamp && _gainsWith(terms, _model[opposite].next);
    }

    /// @dev What an order must come to now. Checks in the documented order, so that the error is known as well.
    function _outcome(Order memory order) internal view returns (Outcome memory outcome) {
        outcome.refusal = _refusal(order);
        if (outcome.refusal.length != 0) return outcome;
        LaneTerms memory terms = modelTerms(order.lane);
        uint256 bonusBps = order.quote.quoteId == 0 ? 0 : order.quote.bonusBps;
        if (bonusBps > terms.maxBonusBps) {
            outcome.refusal = _error(IExchange.BonusTooHigh.selector, bonusBps, terms.maxBonusBps);
            return outcome;
        }
        outcome.price = _modelPrice(terms, order.maxIn, bonusBps);
        outcome.refusal = _refusalOfPrice(order, terms, outcome.price);
        if (outcome.refusal.length == 0) outcome.refusal = _refusalOfQuote(order, outcome.price.pointsIn);
        if (outcome.refusal.length == 0) _legs(order, terms, outcome);
    }

    /// @dev The documented formulas.
    function _modelPrice(LaneTerms memory terms, uint256 maxIn, uint256 bonusBps) internal pure returns (Price memory) {
        uint256 net = uint256(terms.rateNumerator) * (10_000 - terms.feeBps);
        uint256 den = uint256(terms.rateDenominator) * 10_000;
        uint256 gives = net * (10_000 + bonusBps);
        uint256 out = (maxIn * gives) / (den * 10_000);
        uint256 pointsIn = (out * den * 10_000 + gives - 1) / gives;
        uint256 base = (pointsIn * net) / den;
        return Price(pointsIn, out, base, (base * terms.settlementPrice + 999_999) / 1_000_000);
    }

    /// @dev What has happened: model, cap, debts.
    function _modelSwap(Order memory order, Outcome memory outcome) internal {
        _remove(sourceOf(order.lane), order.account, outcome.burnt);
        _add(destinationOf(order.lane), order.to, outcome.minted);
        _buckets[order.lane][block.timestamp / 6 hours] += outcome.price.pointsOut;
        _outs[order.lane].push(Out(block.timestamp, outcome.price.pointsOut));
        if (order.quote.quoteId != 0) _quoteUsed[order.quote.quoteId] = true;
        if (modelTerms(order.lane).posted) reserved[order.lane] += outcome.price.settlement;
        else booked[order.lane] += outcome.price.settlement;
    }

    function _isTokenPaused(uint256 programme) internal view returns (bool) {
        return (_pausedTokens >> programme) & 1 != 0;
    }

    function _error(bytes4 selector, uint256 first, uint256 second) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, first, second);
    }

    /// @dev Id of a lane on this chain; a lane of the model needs programmes, which the rig knows.
    function laneIdOf(uint256 lane) public view virtual returns (bytes32);

    /// @dev Burn and mint, without doing them.
    function _legs(Order memory order, LaneTerms memory terms, Outcome memory outcome) private view {
        uint256 source = sourceOf(order.lane);
        uint256 destination = destinationOf(order.lane);
        uint256 pointsIn = outcome.price.pointsIn;
        uint256 balance = modelBalance(source, order.account);
        if (_isTokenPaused(source)) {
            outcome.refusal = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        } else if (balance < pointsIn) {
            outcome.refusal = abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, order.account, balance, pointsIn
            );
        } else {
            outcome.refusal = _refusalOfCap(order.lane, terms.dailyCapOut, outcome.price.pointsOut);
        }
        if (outcome.refusal.length != 0) return;
        outcome.burnt = _earliest(source, order.account, pointsIn);
        if (terms.posted) return;
        if (terms.carryExpiry) {
            uint256 refused;
            (outcome.minted, refused) = _carried(source, destination, outcome.burnt, outcome.price.pointsOut);
            if (refused != 0) {
                Lot memory lot = outcome.burnt[refused - 1];
                outcome.refusal = _error(IExchange.ExpiryNotCarriable.selector, lot.epoch, lot.amount);
                return;
            }
        } else {
            outcome.minted = new Lot[](1);
            outcome.minted[0] = Lot(modelEpoch(destination), outcome.price.pointsOut);
        }
        if (_isTokenPaused(destination)) outcome.refusal = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
    }

    function _refusal(Order memory order) private view returns (bytes memory) {
        if (_exchangePaused) return abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        if (block.timestamp > order.deadline) {
            return abi.encodeWithSelector(IExchange.SwapExpired.selector, order.deadline);
        }
        if (!modelOpen(order.lane)) {
            return abi.encodeWithSelector(IExchange.LaneNotOpen.selector, laneIdOf(order.lane));
        }
        return "";
    }

    function _refusalOfPrice(Order memory order, LaneTerms memory terms, Price memory priced)
        private
        pure
        returns (bytes memory)
    {
        if (priced.pointsOut == 0 || priced.pointsOut > type(uint48).max) {
            return abi.encodeWithSelector(IExchange.InvalidSwapAmount.selector, order.maxIn);
        }
        if (priced.pointsIn < terms.minimumIn) {
            return _error(IExchange.BelowMinimum.selector, priced.pointsIn, terms.minimumIn);
        }
        if (priced.pointsOut < order.minOut) {
            return _error(IExchange.InsufficientOutput.selector, priced.pointsOut, order.minOut);
        }
        return "";
    }

    function _refusalOfQuote(Order memory order, uint256 pointsIn) private view returns (bytes memory) {
        Quote memory quote = order.quote;
        bytes32 id = quote.quoteId;
        if (id == 0) return "";
        if (
            quote.account != order.account || quote.laneId != laneIdOf(order.lane)
                || quote.version != modelVersion(order.lane)
        ) return abi.encodeWithSelector(IExchange.QuoteMismatch.selector, id);
        if (_quoteUsed[id]) return abi.encodeWithSelector(IExchange.QuoteUsed.selector, id);
        if (block.timestamp > quote.expiresAt) {
            return abi.encodeWithSelector(IExchange.QuoteExpired.selector, id, quote.expiresAt);
        }
        if (pointsIn > quote.maxIn) {
            return abi.encodeWithSelector(IExchange.QuoteExceeded.selector, id, pointsIn, quote.maxIn);
        }
        return "";
    }

    function _refusalOfCap(uint256 lane, uint256 cap, uint256 pointsOut) private view returns (bytes memory) {
        uint256 bucket = block.timestamp / 6 hours;
        uint256 used = 0;
        for (uint256 i = 0; i < 5; ++i) {
            used += _buckets[lane][bucket - i];
        }
        if (used + pointsOut <= cap) return "";
        uint256 available = used < cap ? cap - used : 0;
        return abi.encodeWithSelector(
            IExchange.DailyCapExceeded.selector, laneIdOf(lane), pointsOut, available
        );
    }

    /// @dev Lets terms whose notice is over take the place of those before.
    function _settle(uint256 lane) private {
        if (!_isNextDue(lane)) return;
        ModelLane storage model = _model[lane];
        model.terms = model.next;
        model.version = model.nextVersion;
        model.nextFrom = 0;
    }

    function _isNextDue(uint256 lane) private view returns (bool) {
        return _model[lane].nextFrom != 0 && block.timestamp >= _model[lane].nextFrom;
    }

    /// @dev As a fraction of what was given: more than the whole is a gain.
    function _gainsWith(LaneTerms memory there, LaneTerms memory back) private pure returns (bool) {
        uint256 come = uint256(there.rateNumerator) * (10_000 - there.feeBps) * back.rateNumerator
            * (10_000 - back.feeBps);
        uint256 gone = uint256(there.rateDenominator) * back.rateDenominator * 10_000 * 10_000;
        return come > gone;
    }
}
