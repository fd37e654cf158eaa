// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {EpochLedger} from "../../contracts/libraries/EpochLedger.sol";
import {Checked} from "./Vm.sol";

/// @notice The bit tricks of EpochLedger against the rule they stand for, on random words.
contract EpochLedgerTest is Checked {
    uint256 private constant LANE_MASK = 2 ** 48 - 1;

    uint256[6] private _ring;

    /// @notice A lane is live exactly when its epoch, found by counting down from the tag, is within the window.
    function test_liveMask(uint256 lanes, uint256 tag, uint256 gap, uint256 validity) external pure {
        validity %= 30;
        tag = 30 + tag % (65_535 - 30);
        uint256 epoch = tag + gap % 70;
        uint256 words = validity / 5 + 1;
        uint256 mask = EpochLedger.liveMask(_word(lanes, tag), epoch, validity, words);
        for (uint256 lane = 0; lane < 5; ++lane) {
            bool live = _epochOf(lane, tag, words) + validity >= epoch;
            _equal((mask >> (48 * lane)) & LANE_MASK, live ? LANE_MASK : 0, "mask of a lane");
        }
        _equal(mask >> 240, 0, "mask of the tag");
    }

    /// @notice Moving the tag on keeps a lane exactly when its epoch stays the same, and evicts the rest.
    function test_advance(uint256 lanes, uint256 tag, uint256 step, uint256 validity) external pure {
        uint256 words = (validity % 30) / 5 + 1;
        tag = 30 + tag % 60_000;
        // The next tag is another epoch of the same word: up to three turns of the ring ahead.
        uint256 next = tag - tag % 5 + 5 * words * (step % 4) + (step >> 8) % 5;
        if (next < tag) next = tag;
        (uint256 advanced, uint256 evicted) = EpochLedger.advance(_word(lanes, tag), next, words);
        _equal(advanced >> 240, next, "tag");
        for (uint256 lane = 0; lane < 5; ++lane) {
            uint256 points = (lanes >> (48 * lane)) & LANE_MASK;
            bool stays = _epochOf(lane, tag, words) == _epochOf(lane, next, words);
            _equal((advanced >> (48 * lane)) & LANE_MASK, stays ? points : 0, "lane kept");
            _equal((evicted >> (48 * lane)) & LANE_MASK, stays ? 0 : points, "lane evicted");
            _equal(EpochLedger.epochOfLane(lane, tag, words), _epochOf(lane, tag, words), "epoch of a lane");
        }
        _equal(evicted >> 240, 0, "no tag among the evicted lanes");
    }

    /// @notice The newest epoch of a word is the largest that is not above the current one and maps to the word.
    function test_newestEpoch(uint256 epoch, uint256 k, uint256 validity) external pure {
        uint256 words = (validity % 30) / 5 + 1;
        epoch = 30 + epoch % 65_505;
        k %= words;
        uint256 expected = epoch;
        while (EpochLedger.wordOf(expected, words) != k) --expected;
        _equal(EpochLedger.newestEpoch(k, epoch, words), expected, "newest epoch");
    }

    function test_sum(uint256 word) external pure {
        uint256 expected = 0;
        for (uint256 lane = 0; lane < 5; ++lane) {
            expected += (word >> (48 * lane)) & LANE_MASK;
        }
        _equal(EpochLedger.sum(word), expected, "sum");
    }

    /// @notice A supply lane that would reach 2^48 is found, whichever lane it is and whatever its neighbours hold.
    function test_creditSupply(uint256 lanes, uint256 more, uint256 epoch) external {
        epoch = 5 + epoch % 65_000;
        EpochLedger.Window memory window = EpochLedger.Window({epoch: epoch, validity: 4, words: 1});
        _ring[0] = _word(lanes, epoch);
        uint256[6] memory movement;
        movement[0] = more & (2 ** 240 - 1);
        bool fits = true;
        for (uint256 lane = 0; lane < 5; ++lane) {
            uint256 points = ((lanes >> (48 * lane)) & LANE_MASK) + ((more >> (48 * lane)) & LANE_MASK);
            if (points > LANE_MASK) fits = false;
        }
        if (movement[0] == 0) return;
        _true(EpochLedger.creditSupply(_ring, movement, window) == fits, "overflow found");
    }

    function _word(uint256 lanes, uint256 tag) private pure returns (uint256) {
        return (lanes & (2 ** 240 - 1)) | (tag << 240);
    }

    /// @dev The documented rule: the largest epoch not above the tag that maps to the lane of the tag's word.
    function _epochOf(uint256 lane, uint256 tag, uint256 words) private pure returns (uint256 epoch) {
        uint256 target = ((tag / 5) % words) * 5 + lane;
        epoch = tag;
        while (epoch % (5 * words) != target) --epoch;
    }
}
