// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {LaneTerms} from "../interfaces/IExchange.sol";

/// @notice A lane in storage. What a swap reads of it is four words.
/// @param numbers Packed terms, see LaneRecords.
/// @param rest The rest of the packed terms, and the lane's state.
/// @param source Programme whose points are given; zero before the first proposal.
/// @param destination Programme whose points are got.
/// @param nextNumbers Agreed terms whose notice runs, packed likewise.
/// @param nextRest The rest of them, without state.
/// @param volumes Points out by time, see SlidingCap.
struct LaneRecord {
    uint256 numbers;
    uint256 rest;
    bytes32 source;
    bytes32 destination;
    uint256 nextNumbers;
    uint256 nextRest;
    uint256 volumes;
}

/// @notice A lane's terms and where they stand.
/// @param terms The terms in force, or the last ones.
/// @param version Their number; 0 before the first.
/// @param agreements Number of the terms agreed last.
/// @param nextFrom When those come into force; 0 when they are `terms`, or were stopped.
/// @param agreed False before the first agreement and after a stop.
struct LaneState {
    LaneTerms terms;
    uint32 version;
    uint32 agreements;
    uint48 nextFrom;
    bool agreed;
}

/// @title Lanes, packed into storage words.
/// @dev `numbers` is `validUntil:48 | dailyCapOut:48 | minimumIn:48 | maxBonusBps:16 | feeBps:16 | rateDenominator:32 |
/// rateNumerator:32`. `rest` is `agreed:1 | nextFrom:48 | agreements:32 | version:32 | posted:8 | carryExpiry:8 |
/// settlementPrice:80`.
library LaneRecords {
    // slither-disable-start timestamp // terms come into force by block time; seconds do not matter

    /// @notice The lane's state at this moment: terms whose notice is over have taken the place of those before.
    function load(LaneRecord storage lane) internal view returns (LaneState memory state) {
        uint256 rest = lane.rest;
        state.version = uint32(rest >> 96);
        state.agreements = uint32(rest >> 128);
        state.nextFrom = uint48(rest >> 160);
        state.agreed = (rest >> 208) & 1 != 0;
        if (state.nextFrom == 0 || block.timestamp < state.nextFrom) {
            state.terms = unpack(lane.numbers, rest);
        } else {
            state.terms = unpack(lane.nextNumbers, lane.nextRest);
            state.version = state.agreements;
            state.nextFrom = 0;
        }
    }

    /// @notice Writes a state back.
    function store(LaneRecord storage lane, LaneState memory state) internal {
        (uint256 numbers, uint256 rest) = pack(state.terms);
        lane.numbers = numbers;
        lane.rest = rest | (uint256(state.version) << 96) | (uint256(state.agreements) << 128)
            | (uint256(state.nextFrom) << 160) | (state.agreed ? 1 << 208 : 0);
    }

    /// @notice Whether a state has terms in force.
    function isOpen(LaneState memory state) internal view returns (bool) {
        return state.agreed && block.timestamp <= state.terms.validUntil;
    }

    /// @notice Terms as words.
    function pack(LaneTerms memory terms) internal pure returns (uint256 numbers, uint256 rest) {
        numbers = uint256(terms.rateNumerator) | (uint256(terms.rateDenominator) << 32) | (uint256(terms.feeBps) << 64)
            | (uint256(terms.maxBonusBps) << 80) | (uint256(terms.minimumIn) << 96) | (uint256(terms.dailyCapOut) << 144)
            | (uint256(terms.validUntil) << 192);
        rest = uint256(terms.settlementPrice) | (terms.carryExpiry ? 1 << 80 : 0) | (terms.posted ? 1 << 88 : 0);
    }

    /// @notice Terms out of words; state in `rest` is ignored.
    function unpack(uint256 numbers, uint256 rest) internal pure returns (LaneTerms memory terms) {
        // Casts cut each field out of its word.
        terms.rateNumerator = uint32(numbers);
        terms.rateDenominator = uint32(numbers >> 32);
        terms.feeBps = uint16(numbers >> 64);
        terms.maxBonusBps = uint16(numbers >> 80);
        terms.minimumIn = uint48(numbers >> 96);
        terms.dailyCapOut = uint48(numbers >> 144);
        terms.validUntil = uint48(numbers >> 192);
        terms.settlementPrice = uint80(rest);
        terms.carryExpiry = uint8(rest >> 80) != 0;
        terms.posted = uint8(rest >> 88) != 0;
    }

    // slither-disable-end timestamp
}
