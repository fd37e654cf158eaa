// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot} from "../interfaces/IPointsToken.sol";

/// @title Expiring lots, five to a storage word.
/// @notice A word is `tag:16 | lane4:48 | lane3:48 | lane2:48 | lane1:48 | lane0:48`. A ring of `words` words has a lane
/// for each of `5 * words` consecutive epochs: epoch e lives in word `(e / 5) % words`, lane `e % 5`. The tag is the
/// newest epoch the word could hold when it was last credited, so a lane's epoch is the largest one not above the tag
/// that maps to the lane. docs/epoch-ledger.md has the picture and the proof.
///
/// A *movement* is a ring of lanes without tags (`uint256[6] memory`). All rings of a token share one geometry and a live
/// epoch has the same lane in each of them, so a movement is added to or taken from a ring a whole word at a time.
///
/// What callers must keep true
/// - `words == validity / 5 + 1`, at most `MAX_WORDS`: two live epochs never share a lane.
/// - Time does not run backwards: no tag is above the current epoch.
/// - An account's lane is never above the supply's lane of the same epoch, which is checked to stay below 2^48. No
///   lane-wise addition can therefore carry into its neighbour.
library EpochLedger {
    /// @notice The live window of a ring.
    /// @param epoch The current epoch.
    /// @param validity Epochs after its own through which a lot stays valid.
    /// @param words Words of the ring.
    struct Window {
        uint256 epoch;
        uint256 validity;
        uint256 words;
    }

    uint256 internal constant LANES = 5;
    uint256 internal constant LANE_BITS = 48;
    uint256 internal constant LANE_MASK = 0xffffffffffff;
    uint256 internal constant TAG_SHIFT = 240;
    uint256 internal constant LANES_MASK = 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;
    uint256 internal constant MAX_WORDS = 6;
    uint256 internal constant MAX_EPOCH = type(uint16).max;

    /// @dev Lanes 0, 2 and 4.
    uint256 private constant EVEN_LANES = LANE_MASK | (LANE_MASK << 96) | (LANE_MASK << 192);
    /// @dev The bit above each lane: set in `a ^ b ^ (a + b)` when the lane below it overflowed.
    uint256 private constant CARRIES = (1 << 48) | (1 << 96) | (1 << 144) | (1 << 192) | (1 << 240);

    /// @notice Word of the ring that holds `epoch`.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function wordOf(uint256 epoch, uint256 words) internal pure returns (uint256 k) {
        // `words` is never zero.
        assembly ("memory-safe") {
            k := mod(div(epoch, LANES), words)
        }
    }

    /// @notice Position of the lowest bit of the lane that holds `epoch`.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function shiftOf(uint256 epoch) internal pure returns (uint256 shift) {
        // At most 4 * 48.
        assembly ("memory-safe") {
            shift := mul(mod(epoch, LANES), LANE_BITS)
        }
    }

    /// @notice The lanes of `word` that belong to epochs from `epoch - validity` on, as a mask.
    /// @dev With the tag t in lane j and `age = validity - (epoch - t)`: lanes up to j belong to the tag's own group of five
    /// and are valid down to `j - age`; lanes above j belong to the group one turn of the ring before and are valid from
    /// `j + 5 * words - age` on.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function liveMask(uint256 word, uint256 epoch, uint256 validity, uint256 words) internal pure returns (uint256 mask) {
        // Bounds: epoch >= tag, age <= validity < 5 * words; `lane - age` counts only where it is positive. A shift by 256
        // or more gives zero, so that no lane is added where the older group has none that is valid.
        assembly ("memory-safe") {
            let tag := shr(TAG_SHIFT, word)
            let gap := sub(epoch, tag)
            if iszero(gt(gap, validity)) {
                let lane := mod(tag, LANES)
                let age := sub(validity, gap)
                let older := sub(add(lane, mul(LANES, words)), age)
                // slither-disable-next-line incorrect-shift // `shl(bits, 1)` is meant: bits vary, the value is 1
                mask := sub(
                    shl(mul(LANE_BITS, add(lane, 1)), 1),
                    shl(mul(mul(LANE_BITS, gt(lane, age)), sub(lane, age)), 1)
                )
                // slither-disable-next-line incorrect-shift // likewise
                mask := or(mask, and(LANES_MASK, sub(0, shl(mul(LANE_BITS, older), 1))))
            }
        }
    }

    /// @notice Sum of the five lanes of `lanes`; a tag is ignored.
    function sum(uint256 lanes) internal pure returns (uint256) {
        // unchecked: fields of 96 bits hold sums of two lanes; the product's top field is the sum of all three fields, below
        // 2^51, and what the product carries beyond 256 bits is not needed.
        unchecked {
            uint256 pairs = (lanes & EVEN_LANES) + ((lanes >> LANE_BITS) & (EVEN_LANES >> 96));
            return (pairs * (1 | (1 << 96) | (1 << 192))) >> 192;
        }
    }

    /// @notice Sum of all lanes of a movement.
    function total(uint256[6] memory movement, uint256 words) internal pure returns (uint256 amount) {
        for (uint256 k = 0; k < words; ++k) {
            amount += sum(movement[k]);
        }
    }

    /// @notice The newest epoch not above `epoch` that word `k` can hold.
    /// @dev Only for words that a live epoch maps to: an earlier turn of the ring must exist.
    function newestEpoch(uint256 k, uint256 epoch, uint256 words) internal pure returns (uint256) {
        uint256 group = epoch / LANES;
        uint256 back = (group % words + words - k) % words;
        return back == 0 ? epoch : (group - back) * LANES + LANES - 1;
    }

    /// @notice `word` with its tag moved on to `tag`, and the lanes that had to make room.
    /// @dev A lane that makes room held an epoch at least one turn of the ring, so more than `validity`, below the new tag.
    function advance(uint256 word, uint256 tag, uint256 words)
        internal
        pure
        returns (uint256 advanced, uint256 evictedLanes)
    {
        uint256 keep;
        // unchecked: words is at least 1.
        unchecked {
            keep = liveMask(word, tag, LANES * words - 1, words);
        }
        evictedLanes = word & LANES_MASK & ~keep;
        advanced = (word & keep) | (tag << TAG_SHIFT);
    }

    /// @notice Epoch of `lane` in a word with this `tag`.
    function epochOfLane(uint256 lane, uint256 tag, uint256 words) internal pure returns (uint256) {
        // unchecked: a lane with points in it has an epoch, which is not negative.
        unchecked {
            uint256 newest = tag % LANES;
            return lane <= newest ? tag + lane - newest : tag + lane - newest - LANES * words;
        }
    }

    /// @notice Points of the lot of `epoch`, which must be live.
    function lotAt(uint256[6] storage ring, uint256 epoch, Window memory window) internal view returns (uint256) {
        uint256 word = ring[wordOf(epoch, window.words)];
        uint256 live = word & liveMask(word, window.epoch, window.validity, window.words);
        return (live >> shiftOf(epoch)) & LANE_MASK;
    }

    /// @notice All live lanes of a ring.
    function liveLanes(uint256[6] storage ring, Window memory window)
        internal
        view
        returns (uint256[6] memory movement)
    {
        uint256 words = window.words;
        // unchecked: k stays below `MAX_WORDS`.
        unchecked {
            for (uint256 k = 0; k < words; ++k) {
                uint256 word = ring[k];
                if (word != 0) movement[k] = word & liveMask(word, window.epoch, window.validity, words);
            }
        }
    }

    /// @notice The earliest-expiring `amount` points of `available`.
    /// @return taken What was taken; not removed from `available`.
    /// @return missing What `available` falls short of `amount`.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function takeEarliest(uint256[6] memory available, uint256 amount, Window memory window)
        internal
        pure
        returns (uint256[6] memory taken, uint256 missing)
    {
        missing = amount;
        uint256 first = firstLive(window);
        // Walks the lanes of the epochs from `first` to the current one; `at` is the word's offset in both rings.
        // Bounds: at most `validity + 1` steps; a lane taken is never above `missing` or above its lane in `available`.
        assembly ("memory-safe") {
            let end := shl(5, mload(add(window, 0x40)))
            let at := mod(shl(5, div(first, LANES)), end)
            let shift := mul(mod(first, LANES), LANE_BITS)
            let steps := sub(mload(window), first)
            for {} missing {} {
                let lot := and(shr(shift, mload(add(available, at))), LANE_MASK)
                if lot {
                    if gt(lot, missing) { lot := missing }
                    let target := add(taken, at)
                    mstore(target, or(mload(target), shl(shift, lot)))
                    missing := sub(missing, lot)
                }
                if iszero(steps) { break }
                steps := sub(steps, 1)
                shift := add(shift, LANE_BITS)
                if eq(shift, TAG_SHIFT) {
                    shift := 0
                    at := add(at, 0x20)
                    if eq(at, end) { at := 0 }
                }
            }
        }
    }

    /// @notice Adds `amount` points of `epoch` to a movement.
    /// @return fits False when the lane would reach 2^48; the movement is unchanged then.
    function addLot(uint256[6] memory movement, uint256 epoch, uint256 amount, uint256 words)
        internal
        pure
        returns (bool fits)
    {
        uint256 k = wordOf(epoch, words);
        uint256 shift = shiftOf(epoch);
        if (amount > LANE_MASK || ((movement[k] >> shift) & LANE_MASK) + amount > LANE_MASK) return false;
        movement[k] += amount << shift;
        return true;
    }

    /// @notice What is left of `whole` without `part`; every lane of `part` is within the lane of `whole`.
    function without(uint256[6] memory whole, uint256[6] memory part, uint256 words)
        internal
        pure
        returns (uint256[6] memory rest)
    {
        for (uint256 k = 0; k < words; ++k) {
            rest[k] = whole[k] - part[k];
        }
    }

    /// @notice Takes a movement of live lots out of a ring. Tags stay.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function debit(uint256[6] storage ring, uint256[6] memory movement, uint256 words) internal {
        // Bounds: k stays below `words`; no lane of a movement is above the ring's lane.
        assembly ("memory-safe") {
            for { let k := 0 } lt(k, words) { k := add(k, 1) } {
                let lanes := mload(add(movement, shl(5, k)))
                if lanes {
                    let slot := add(ring.slot, k)
                    sstore(slot, sub(sload(slot), lanes))
                }
            }
        }
    }

    /// @notice Adds a movement of live lots to the supply's ring and forgets the lots that make room.
    /// @return fits False when a lot would reach 2^48; the caller must revert then.
    function creditSupply(uint256[6] storage ring, uint256[6] memory movement, Window memory window)
        internal
        returns (bool fits)
    {
        fits = true;
        for (uint256 k = 0; k < window.words; ++k) {
            uint256 lanes = movement[k];
            if (lanes == 0) continue;
            uint256 tag = newestEpoch(k, window.epoch, window.words);
            (uint256 word,) = advance(ring[k], tag, window.words);
            uint256 before = word & LANES_MASK;
            // unchecked: two numbers below 2^240.
            unchecked {
                if ((before ^ lanes ^ (before + lanes)) & CARRIES != 0) fits = false;
                ring[k] = word + lanes;
            }
        }
    }

    /// @notice `abi.encode(account, lots)` for the lots of a movement, earliest first, without empty ones.
    /// @dev One buffer serves for the hash of a redemption and, with its first word replaced, as the data of its event.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function encodeLots(address account, uint256[6] memory movement, Window memory window)
        internal
        pure
        returns (bytes memory encoded)
    {
        uint256 first = firstLive(window);
        // Bounds: at most `validity + 1`, so 30, lots of 64 bytes; memory is taken from the free pointer and claimed after.
        assembly ("memory-safe") {
            encoded := mload(0x40)
            let lots := add(encoded, 0x80)
            let end := shl(5, mload(add(window, 0x40)))
            let at := mod(shl(5, div(first, LANES)), end)
            let shift := mul(mod(first, LANES), LANE_BITS)
            let last := mload(window)
            for { let epoch := first } 1 {} {
                let lot := and(shr(shift, mload(add(movement, at))), LANE_MASK)
                if lot {
                    mstore(lots, epoch)
                    mstore(add(lots, 0x20), lot)
                    lots := add(lots, 0x40)
                }
                if eq(epoch, last) { break }
                epoch := add(epoch, 1)
                shift := add(shift, LANE_BITS)
                if eq(shift, TAG_SHIFT) {
                    shift := 0
                    at := add(at, 0x20)
                    if eq(at, end) { at := 0 }
                }
            }
            mstore(0x40, lots)
            mstore(encoded, sub(sub(lots, encoded), 0x20))
            mstore(add(encoded, 0x20), shr(96, shl(96, account)))
            mstore(add(encoded, 0x40), 0x40)
            mstore(add(encoded, 0x60), shr(6, sub(sub(lots, encoded), 0x80)))
        }
    }

    /// @notice The lots of a movement, earliest first, without empty ones.
    function toLots(uint256[6] memory movement, Window memory window) internal pure returns (Lot[] memory lots) {
        (, lots) = abi.decode(encodeLots(address(0), movement, window), (address, Lot[]));
    }

    /// @notice The earliest epoch whose lots are live.
    function firstLive(Window memory window) internal pure returns (uint256) {
        // unchecked: subtracted only where it is positive.
        unchecked {
            return window.epoch > window.validity ? window.epoch - window.validity : 0;
        }
    }
}
