// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {LaneRecord, LaneRecords, LaneState} from "../../contracts/exchange/LaneRecords.sol";
import {LaneTerms, Price} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {Calendar, ExpiryCarrying} from "../../contracts/libraries/ExpiryCarrying.sol";
import {LanePricing} from "../../contracts/libraries/LanePricing.sol";
import {SlidingCap} from "../../contracts/libraries/SlidingCap.sol";
import {Checked} from "./Vm.sol";

/// @notice The exchange's arithmetic, with numbers of every size, against the rules it stands for.
contract ExchangeMathTest is Checked {
    using LaneRecords for LaneRecord;

    uint256 private constant MAX_POINTS = 2 ** 48 - 1;

    LaneRecord private _lane;

    /// @notice Two swaps never give more, take less or cost less than their points in at once.
    function test_splittingNeverGains(LaneTerms memory terms, uint256 a, uint256 b, uint256 bonusBps) external pure {
        _bound(terms);
        bonusBps %= 10_001;
        a %= MAX_POINTS / 2;
        b %= MAX_POINTS / 2;
        Price memory first = LanePricing.price(terms, a, bonusBps);
        Price memory second = LanePricing.price(terms, b, bonusBps);
        Price memory whole = LanePricing.price(terms, a + b, bonusBps);
        _true(first.pointsOut + second.pointsOut <= whole.pointsOut, "points out");
        uint256 together = first.pointsOut + second.pointsOut;
        _true(first.pointsIn + second.pointsIn >= LanePricing.pointsInRoundingUp(terms, together, bonusBps), "points in");
        // A bonus is the destination's gift, so what it settles for is the base alone, of the points really taken.
        if (bonusBps != 0) return;
        uint256 settled = LanePricing.settlementRoundingUp(terms, together);
        _true(first.settlement + second.settlement >= settled, "settlement");
    }

    /// @notice Points in are the fewest that give the points out, and those the most for what was offered.
    function test_priceIsTight(LaneTerms memory terms, uint256 maxIn, uint256 bonusBps) external pure {
        _bound(terms);
        bonusBps %= 10_001;
        maxIn %= MAX_POINTS + 1;
        Price memory priced = LanePricing.price(terms, maxIn, bonusBps);
        uint256 gives = uint256(terms.rateNumerator) * (10_000 - terms.feeBps) * (10_000 + bonusBps);
        uint256 takes = uint256(terms.rateDenominator) * 1e8;
        _true(priced.pointsIn <= maxIn, "no more in than offered");
        _true(priced.pointsOut * takes <= priced.pointsIn * gives, "no more out than in is worth");
        _true((priced.pointsOut + 1) * takes > maxIn * gives, "no fewer out than there could be");
        if (priced.pointsIn != 0) _true((priced.pointsIn - 1) * gives < priced.pointsOut * takes, "no point in too many");
        _true(priced.baseOut <= priced.pointsOut, "base within the whole");
        if (bonusBps == 0) {
            uint256 base = LanePricing.pointsOutRoundingDown(terms, priced.pointsIn, 0);
            _equal(priced.baseOut, base, "without bonus the base is the whole");
        }
    }

    /// @notice Points that go there and back on lanes that pass the check are never more than before.
    function test_roundTripNeverGains(LaneTerms memory there, LaneTerms memory back, uint256 points) external pure {
        _bound(there);
        _bound(back);
        if (LanePricing.roundTripGains(there, back)) return;
        points %= MAX_POINTS;
        uint256 away = LanePricing.pointsOutRoundingDown(there, points, 0);
        uint256 home = LanePricing.pointsOutRoundingDown(back, away, 0);
        _true(home <= points, "there and back");
    }

    /// @notice Whatever is let through, no window of 24 hours ever holds more than the cap, and what is older than 30 hours is
    /// never in the way.
    function test_slidingCap(uint256 seed, uint256 cap) external pure {
        cap = 1 + cap % SlidingCap.MAX_CAP;
        uint256[40] memory times;
        uint256[40] memory amounts;
        uint256 word = 0;
        uint256 time = 1_700_000_000 + seed % 1 days;
        for (uint256 i = 0; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            time += seed % 8 == 0 ? (seed >> 8) % 3 days : (seed >> 8) % 5 hours;
            uint256 amount = 1 + (seed >> 64) % cap / (1 + (seed >> 128) % 4);
            uint256 used = SlidingCap.used(word, time);
            _true(used >= _since(times, amounts, time, 24 hours), "all of the last day counts");
            _true(used <= _since(times, amounts, time, 30 hours), "nothing else does");
            if (used + amount > cap) continue;
            word = SlidingCap.count(word, amount, time);
            (times[i], amounts[i]) = (time, amount);
            _true(_since(times, amounts, time, 24 hours) <= cap, "cap");
        }
    }

    /// @notice Carried lots add up, are in order and live, and for every time no more of them live past it than their share.
    function test_carrying(uint256 seed, uint256 out, uint256 from, uint256 to) external pure {
        Calendar memory source = Calendar(1 days * (1 + from % 60), (from >> 32) % 30);
        Calendar memory destination = Calendar(1 days * (1 + to % 10), (to >> 32) % 10);
        out = 1 + out % MAX_POINTS;
        uint256 time = 20_000 days + seed % 1000 days;
        Lot[] memory lots = _lots(seed, source, destination, time);
        if (lots.length == 0) return;
        Lot[] memory carried = ExpiryCarrying.carry(lots, source, destination, out, time);
        uint256 total = ExpiryCarrying.total(lots);
        _equal(ExpiryCarrying.total(carried), out, "sum of carried lots");
        for (uint256 i = 0; i < carried.length; ++i) {
            if (i != 0) _true(carried[i].epoch > carried[i - 1].epoch, "earliest first, each epoch once");
            _true(carried[i].amount != 0 && carried[i].epoch <= time / destination.epochLength, "a lot of the past");
            uint256 end = _end(carried[i].epoch, destination);
            _true(end > time, "a live lot");
            uint256 later = _endingFrom(carried, destination, end);
            uint256 share = _endingFrom(lots, source, end) * out + total - 1;
            _true(later <= share / total, "expiry is not extended");
        }
    }

    /// @notice Storage words give back what was put into them.
    function test_laneRecord(LaneTerms memory terms, uint32 version, uint32 agreements, bool agreed) external {
        _lane.store(LaneState(terms, version, agreements, 0, agreed));
        LaneState memory state = _lane.load();
        _true(keccak256(abi.encode(state.terms)) == keccak256(abi.encode(terms)), "terms");
        _true(state.version == version && state.agreements == agreements && state.agreed == agreed, "state");
    }

    function _since(uint256[40] memory times, uint256[40] memory amounts, uint256 time, uint256 duration)
        private
        pure
        returns (uint256 sum)
    {
        for (uint256 i = 0; i < 40; ++i) {
            if (times[i] + duration > time) sum += amounts[i];
        }
    }

    /// @dev Live lots that end late enough to be carried.
    function _lots(uint256 seed, Calendar memory source, Calendar memory destination, uint256 time)
        private
        pure
        returns (Lot[] memory lots)
    {
        uint256 earliest = _end(time / destination.epochLength - destination.validity, destination);
        uint256 current = time / source.epochLength;
        uint256 first = current - source.validity;
        while (first <= current && _end(first, source) < earliest) ++first;
        if (first > current) return lots;
        lots = new Lot[](current - first + 1);
        for (uint256 i = 0; i < lots.length; ++i) {
            lots[i] = Lot(first + i, 1 + uint256(keccak256(abi.encode(seed, i))) % (i % 2 == 0 ? 5 : 2 ** 40));
        }
    }

    function _endingFrom(Lot[] memory lots, Calendar memory calendar, uint256 end) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < lots.length; ++i) {
            if (_end(lots[i].epoch, calendar) >= end) sum += lots[i].amount;
        }
    }

    function _end(uint256 epoch, Calendar memory calendar) private pure returns (uint256) {
        return (epoch + calendar.validity + 1) * calendar.epochLength;
    }

    function _bound(LaneTerms memory terms) private pure {
        if (terms.rateNumerator == 0) terms.rateNumerator = 1;
        if (terms.rateDenominator == 0) terms.rateDenominator = 1;
        terms.feeBps %= 10_000;
    }
}
