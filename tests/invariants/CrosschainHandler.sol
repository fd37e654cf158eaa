// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {CrosschainExchange} from "../../contracts/exchange/CrosschainExchange.sol";
import {CrosschainSwap, MessageKind} from "../../contracts/interfaces/ICrosschainExchange.sol";
import {Lane, LaneTerms, Price, SwapRequest, SwapStatus} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {CrosschainPost} from "./CrosschainPost.sol";

/// @notice Random swaps between two chains, their messages delivered in any order, twice, late or never, while lanes change and
/// everything is paused at times. Each thing that happens must be one that may, and is done on a model as well.
contract CrosschainHandler is CrosschainPost {
    enum Stage {
        Sent,
        Minted,
        Returning,
        Refunded
    }

    struct Journey {
        uint256 lane;
        uint256 number;
        uint256 pointsOut;
        Stage stage;
    }

    uint256 private constant COLLATERAL = 3_000;

    address private immutable _owner = msg.sender;
    bytes32[] public swapIds;
    mapping(bytes32 swapId => Journey) public journeys;
    mapping(uint256 lane => uint256) public burnt;
    mapping(uint256 lane => uint256) public minted;
    /// @notice What the source owes by mints, at the destination's clearing house.
    mapping(uint256 lane => uint256) public booked;
    mapping(uint256 lane => mapping(uint256 bucket => uint256)) private _refunded;
    uint256 private _count;

    constructor() {
        _setUpPost(COLLATERAL);
        for (uint256 lane = 0; lane < LANES; ++lane) {
            _agreeBoth(lane, uint256(keccak256(abi.encode(lane))));
        }
    }

    function pass(uint256 seed) external {
        uint256 most = seed % 8 < 5 ? 7 hours : seed % 8 < 7 ? 3 days : 20 days;
        vm.warp(block.timestamp + (seed >> 8) % most);
    }

    function swap(uint256 lane, uint256 member, uint256 amount, uint256 seed) public {
        lane %= LANES;
        uint256 source = _sourceOf(lane);
        if (_homeToken(source).paused()) return;
        address giver = _account(source, member);
        if (modelBalance(source, giver) < 20) _issue(source, member, 20 + amount % 1_000, bytes32(++_count));
        SwapRequest memory request = SwapRequest({
            laneId: _laneId(lane),
            to: _account(_destinationOf(lane), seed >> 8),
            maxIn: 1 + (amount >> 16) % modelBalance(source, giver),
            minOut: 0,
            ref: bytes32(++_count),
            deadline: block.timestamp + (seed % 4 == 0 ? 1 hours : (seed >> 16) % 7 days)
        });
        (bool possible, Price memory priced) = _canSwap(lane, request.maxIn);
        if (possible) _sendSwap(lane, member, request, priced);
    }

    /// @notice Delivers up to four messages of a chain in one batch: any of them, mostly some that were not tried.
    function deliver(uint256 seed) public {
        uint256 from = seed % 2;
        uint256[] memory picked = _pick(from, seed >> 1);
        if (picked.length == 0) return;
        bool news = false;
        for (uint256 i = 0; i < picked.length; ++i) {
            news = news || !_posted[picked[i]].tried;
        }
        vm.recordLogs();
        bool done = _deliver(from, picked);
        _collect();
        _true(done == (news && !gateways[1 - from].paused()), "a batch with news is delivered");
        for (uint256 i = 0; done && i < picked.length; ++i) {
            if (!_posted[picked[i]].tried) _observe(picked[i]);
        }
    }

    function retry(uint256 seed) public {
        for (uint256 i = 0; i < _posted.length; ++i) {
            uint256 index = (seed % _posted.length + i) % _posted.length;
            if (_posted[index].failed) return _tryAgain(index);
        }
    }

    function pause(uint256 seed) external {
        if (seed % 3 != 0) return;
        uint256 chain = (seed >> 8) % 2;
        uint256 what = (seed >> 16) % 5;
        _on(chain);
        if (what == 0) _togglePause(address(gateways[chain]));
        else if (what == 1) _togglePause(address(_sides[chain].exchange));
        else _togglePause(address(_homeToken(what - 2)));
    }

    /// @notice A lane gets new terms on both sides, or on one, or is stopped or halted on one.
    function change(uint256 lane, uint256 seed) external {
        lane %= LANES;
        uint256 chain = (seed >> 8) % 2;
        uint256 what = (seed >> 16) % 8;
        if (what < 4) return _agreeBoth(lane, seed >> 24);
        _on(chain);
        CrosschainExchange exchange = _sides[chain].exchange;
        if (what == 4) exchange.halt(_laneId(lane));
        else exchange.stop(IDS[_sourceOf(lane)], IDS[_destinationOf(lane)], IDS[1]);
        if (what > 5) _agree(chain, lane, _terms(seed >> 24));
    }

    /// @notice Ends everything: nothing is paused any more, deadlines pass, everything is delivered and tried again.
    function drain() external {
        if (msg.sender != _owner) return;
        for (uint256 chain = 0; chain < 2; ++chain) {
            _unpause(address(gateways[chain]));
            _unpause(address(_sides[chain].exchange));
        }
        for (uint256 p = 0; p < PROGRAMMES; ++p) {
            _unpause(address(_homeToken(p)));
        }
        vm.warp(block.timestamp + 7 days + 1);
        // Refunds wait for the lane's cap at times: at least one of a lane passes in 30 hours.
        for (uint256 round = 0; round < swapIds.length && inFlight() != 0; ++round) {
            vm.warp(block.timestamp + 30 hours);
            for (uint256 i = 0; i < _posted.length; ++i) {
                if (!_posted[i].tried) _deliverOne(i);
                else if (_posted[i].failed) _tryAgain(i);
            }
        }
    }

    /// @notice Swaps that are neither minted nor refunded.
    function inFlight() public view returns (uint256 count) {
        for (uint256 i = 0; i < swapIds.length; ++i) {
            Stage stage = journeys[swapIds[i]].stage;
            if (stage == Stage.Sent || stage == Stage.Returning) ++count;
        }
    }

    // What the invariants read

    function swapCount() external view returns (uint256) {
        return swapIds.length;
    }

    function token(uint256 chain, uint256 programme) external view returns (PointsToken) {
        return _sides[chain].tokens[programme];
    }

    function account(uint256 programme, uint256 member) external view returns (address) {
        return _account(programme, member);
    }

    /// @notice Points a lane burnt, minted, and that swaps under way or refunded stand for.
    function pointsOutOf(uint256 lane) external view returns (uint256 all, uint256 done, uint256 rest) {
        for (uint256 i = 0; i < swapIds.length; ++i) {
            Journey storage journey = journeys[swapIds[i]];
            if (journey.lane == lane && journey.stage != Stage.Minted) rest += journey.pointsOut;
        }
        return (burnt[lane], minted[lane], rest);
    }

    /// @notice What the chains say of a swap must be what became of it in the model.
    function checkJourney(bytes32 swapId) external view {
        Journey storage journey = journeys[swapId];
        uint256 lane = journey.lane;
        SwapStatus status = _homeExchange(_sourceOf(lane)).statusOf(swapId);
        SwapStatus outcome = _homeExchange(_destinationOf(lane)).outcomeOf(_laneId(lane), journey.number);
        SwapStatus expected = journey.stage == Stage.Sent
            ? SwapStatus.None
            : journey.stage == Stage.Minted ? SwapStatus.Completed : SwapStatus.Refunded;
        _true(outcome == expected, "what the destination says");
        _true((status == SwapStatus.Refunded) == (journey.stage == Stage.Refunded), "what the source says");
        _true(status == SwapStatus.Refunded || status == SwapStatus.Pending, "burnt");
    }

    /// @notice Debts are those of the mints on each chain, and add up to nothing.
    function checkDebts(uint256 chain) external view {
        int256 sum = 0;
        for (uint256 p = 0; p < PROGRAMMES; ++p) {
            sum += _sides[chain].house.standingOf(IDS[p]).open;
        }
        _true(sum == 0, "positions add up to nothing");
        for (uint256 lane = 0; lane < LANES; ++lane) {
            (uint256 source, uint256 destination) = (_sourceOf(lane), _destinationOf(lane));
            (int256 owed,) = _sides[chain].house.owedOf(IDS[source], IDS[destination]);
            int256 expected = HOMES[destination] == chain ? int256(booked[lane]) : -int256(booked[lane ^ 1]);
            _true(owed == expected, "what one owes another");
        }
    }

    // Helpers

    function _canSwap(uint256 lane, uint256 maxIn) private view returns (bool possible, Price memory priced) {
        uint256 chain = HOMES[_sourceOf(lane)];
        CrosschainExchange exchange = _sides[chain].exchange;
        Lane memory here = exchange.laneOf(_laneId(lane));
        priced = _priceOf(here.terms, maxIn);
        possible = here.open && !exchange.paused() && !gateways[chain].paused() && priced.pointsOut != 0
            && priced.pointsIn >= here.terms.minimumIn && exchange.availableOut(_laneId(lane)) >= priced.pointsOut;
    }

    function _sendSwap(uint256 lane, uint256 member, SwapRequest memory request, Price memory priced) private {
        uint256 source = _sourceOf(lane);
        address from = _account(source, member);
        Lot[] memory lots = _earliest(source, from, priced.pointsIn);
        vm.recordLogs();
        bytes32 swapId = _swap(lane, member, request);
        _equal(_collect(), 1, "one message");
        uint256 number = _homeExchange(source).sentCount(_laneId(lane));
        CrosschainSwap memory expected = CrosschainSwap({
            swapId: swapId,
            laneId: request.laneId,
            number: number,
            account: from,
            to: request.to,
            pointsIn: priced.pointsIn,
            pointsOut: priced.pointsOut,
            bonusBps: 0,
            deadline: request.deadline,
            epochLength: _epochLengths[source],
            validity: _validities[source],
            lots: lots
        });
        bytes32 payload = keccak256(_posted[_posted.length - 1].message.payload);
        _true(payload == keccak256(abi.encode(MessageKind.Mint, expected)), "what is sent is what was burnt");
        _remove(source, from, lots);
        swapIds.push(swapId);
        journeys[swapId] = Journey(lane, number, priced.pointsOut, Stage.Sent);
        burnt[lane] += priced.pointsOut;
    }

    function _deliverOne(uint256 index) private {
        uint256[] memory picked = new uint256[](1);
        picked[0] = index;
        vm.recordLogs();
        _true(_deliver(_posted[index].from, picked), "delivered");
        _collect();
        _observe(index);
    }

    function _tryAgain(uint256 index) private {
        vm.recordLogs();
        bool done = _retry(_posted[index]);
        _collect();
        if (done) _observe(index);
        else _true(gateways[1 - _posted[index].from].paused() || _isBlocked(index), "what fails has a reason");
    }

    /// @dev Takes note of what a message that was tried came to, which must be something it may have come to.
    function _observe(uint256 index) private {
        Posted storage posted = _posted[index];
        posted.tried = true;
        posted.failed = gateways[1 - posted.from].isFailed(posted.id);
        if (posted.failed) return _true(_isBlocked(index), "what fails has a reason");
        (MessageKind kind, CrosschainSwap memory swapped) = _opened(posted);
        Journey storage journey = journeys[swapped.swapId];
        uint256 lane = journey.lane;
        if (kind == MessageKind.Refund) {
            _true(journey.stage == Stage.Returning, "refunded once");
            journey.stage = Stage.Refunded;
            _add(_sourceOf(lane), swapped.account, _live(_sourceOf(lane), swapped.lots));
            _refunded[lane][block.timestamp / 6 hours] += swapped.pointsOut;
            return;
        }
        _true(journey.stage == Stage.Sent, "minted or refused once");
        CrosschainExchange exchange = _homeExchange(_destinationOf(lane));
        bool refused = exchange.outcomeOf(_laneId(lane), swapped.number) == SwapStatus.Refunded;
        (bool refuses, LaneTerms memory terms) = _refuses(lane, swapped);
        _true(refused == refuses, "refused when it must be");
        if (refused) journey.stage = Stage.Returning;
        else _noteMint(lane, terms, swapped);
    }

    function _noteMint(uint256 lane, LaneTerms memory terms, CrosschainSwap memory swapped) private {
        uint256 destination = _destinationOf(lane);
        uint256 gives = uint256(terms.rateNumerator) * (10_000 - terms.feeBps);
        _true(swapped.pointsOut * terms.rateDenominator * 10_000 <= swapped.pointsIn * gives, "the agreed rate");
        _true(!_homeExchange(destination).paused() && !_homeToken(destination).paused(), "not while paused");
        Lot[] memory lots = new Lot[](1);
        uint256 impossible = 0;
        if (terms.carryExpiry) {
            (lots, impossible) = _carried(_sourceOf(lane), destination, swapped.lots, swapped.pointsOut);
        } else {
            lots[0] = Lot(modelEpoch(destination), swapped.pointsOut);
        }
        _equal(impossible, 0, "expiry that can be carried");
        _add(destination, swapped.to, lots);
        journeys[swapped.swapId].stage = Stage.Minted;
        minted[lane] += swapped.pointsOut;
        booked[lane] += _priceOf(terms, swapped.pointsIn).settlement;
    }

    /// @dev Whether the destination must refuse a swap now.
    function _refuses(uint256 lane, CrosschainSwap memory swapped)
        private
        view
        returns (bool refuses, LaneTerms memory terms)
    {
        Lane memory there = _homeExchange(_destinationOf(lane)).laneOf(_laneId(lane));
        terms = there.terms;
        Price memory priced = _priceOf(terms, swapped.pointsIn);
        refuses = block.timestamp > swapped.deadline || !there.open || priced.pointsOut != swapped.pointsOut
            || priced.pointsIn != swapped.pointsIn || swapped.pointsIn < terms.minimumIn;
    }

    /// @dev Whether something stands in a message's way: so much at least must be true of one that failed.
    function _isBlocked(uint256 index) private view returns (bool) {
        (MessageKind kind, CrosschainSwap memory swapped) = _opened(_posted[index]);
        uint256 lane = journeys[swapped.swapId].lane;
        (uint256 source, uint256 destination) = (_sourceOf(lane), _destinationOf(lane));
        if (kind == MessageKind.Refund) {
            uint256 cap = _homeExchange(source).laneOf(_laneId(lane)).terms.dailyCapOut;
            uint256 used = _refundedOf(lane);
            return _homeToken(source).paused() || (used != 0 && used >= cap);
        }
        (bool refuses, LaneTerms memory terms) = _refuses(lane, swapped);
        if (refuses) return false;
        CrosschainExchange exchange = _homeExchange(destination);
        if (exchange.paused() || _homeToken(destination).paused()) return true;
        if (exchange.availableOut(_laneId(lane)) < swapped.pointsOut) return true;
        uint256 available = _sides[HOMES[destination]].house.availableTo(IDS[source], IDS[destination]);
        if (available < _priceOf(terms, swapped.pointsIn).settlement) return true;
        if (!terms.carryExpiry) return false;
        (, uint256 impossible) = _carried(source, destination, swapped.lots, swapped.pointsOut);
        return impossible != 0;
    }

    function _refundedOf(uint256 lane) private view returns (uint256 used) {
        for (uint256 i = 0; i < 5; ++i) {
            used += _refunded[lane][block.timestamp / 6 hours - i];
        }
    }

    /// @dev Up to four messages of a chain by ascending nonce, some of them perhaps tried before.
    function _pick(uint256 from, uint256 seed) private view returns (uint256[] memory picked) {
        uint256 n = _posted.length;
        bool[] memory chosen = new bool[](n);
        uint256 count = 0;
        for (uint256 i = 0; i < n && count < 1 + seed % 4; ++i) {
            uint256 index = ((seed >> 2) % n + i) % n;
            bool again = (seed >> (16 + i % 200)) % 8 == 0;
            if (_posted[index].from != from || (_posted[index].tried && !again)) continue;
            chosen[index] = true;
            ++count;
        }
        picked = new uint256[](count);
        for (uint256 index = n; index > 0; --index) {
            if (chosen[index - 1]) picked[--count] = index - 1;
        }
    }

    function _agreeBoth(uint256 lane, uint256 seed) private {
        LaneTerms memory terms = _terms(seed);
        (bytes32 source, bytes32 destination) = (IDS[_sourceOf(lane)], IDS[_destinationOf(lane)]);
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            CrosschainExchange exchange = _sides[chain].exchange;
            if (exchange.laneOf(_laneId(lane)).open) exchange.stop(source, destination, source);
            _agree(chain, lane, terms);
        }
    }

    /// @dev A point is never worth more than one: so no lanes gain together.
    function _terms(uint256 seed) private view returns (LaneTerms memory terms) {
        terms.rateNumerator = uint32(1 + seed % 3);
        terms.rateDenominator = uint32(terms.rateNumerator + (seed >> 8) % 4);
        terms.feeBps = uint16((seed >> 16) % 2 == 0 ? 0 : (seed >> 24) % 3_000);
        terms.minimumIn = uint48(1 + (seed >> 40) % 5);
        terms.dailyCapOut = uint48((seed >> 48) % 3 == 0 ? 1 + (seed >> 56) % 400 : 5_000);
        terms.validUntil = uint48(block.timestamp + ((seed >> 72) % 4 == 0 ? 5 days : 400 days));
        terms.settlementPrice = uint80((seed >> 80) % 3 == 0 ? 0 : (seed >> 88) % 4e6);
        terms.carryExpiry = (seed >> 120) % 2 == 0;
    }

    function _togglePause(address target) private {
        // Gateways, exchanges and tokens pause alike.
        if (PointsToken(target).paused()) PointsToken(target).unpause();
        else PointsToken(target).pause();
    }

    function _unpause(address target) private {
        if (PointsToken(target).paused()) PointsToken(target).unpause();
    }
}
