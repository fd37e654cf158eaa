// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title A cap over any 24 hours, in one storage word.
/// @notice Amounts are counted in buckets of six hours (`time / 6 hours`). The present bucket and the four before it cover at
/// least the last 24 hours, wherever in its bucket the present is, so when their sum stays within a cap, no window of 24
/// hours holds more. Unlike a bucket that refills, it never lets through twice the cap around a border.
/// @dev A word is `bucket:36 | amount4:44 | amount3:44 | amount2:44 | amount1:44 | amount0:44`: amount0 belongs to `bucket`,
/// amount1 to the one before, and so on.
///
/// What callers must keep true: caps are below 2^44, so every amount and sum is; time does not run backwards.
library SlidingCap {
    uint256 internal constant BUCKET_SECONDS = 6 hours;
    uint256 internal constant MAX_CAP = (1 << 44) - 1;

    uint256 private constant AMOUNT_BITS = 44;
    uint256 private constant BUCKETS = 5;
    uint256 private constant BUCKET_SHIFT = 220;
    uint256 private constant AMOUNTS_MASK = (1 << 220) - 1;

    /// @notice What counts against the cap at `time`.
    function used(uint256 word, uint256 time) internal pure returns (uint256 amount) {
        uint256 amounts = _amountsAt(word, time / BUCKET_SECONDS);
        for (uint256 i = 0; i < BUCKETS; ++i) {
            amount += (amounts >> (AMOUNT_BITS * i)) & MAX_CAP;
        }
    }

    /// @notice `word` with `amount` counted at `time`. The sum must stay within a cap.
    function count(uint256 word, uint256 amount, uint256 time) internal pure returns (uint256) {
        uint256 bucket = time / BUCKET_SECONDS;
        return (_amountsAt(word, bucket) + amount) | (bucket << BUCKET_SHIFT);
    }

    /// @dev The amounts, moved on to `bucket`; those that are too old fall off the end.
    function _amountsAt(uint256 word, uint256 bucket) private pure returns (uint256) {
        uint256 passed = bucket - (word >> BUCKET_SHIFT);
        if (passed >= BUCKETS) return 0;
        return (word << (AMOUNT_BITS * passed)) & AMOUNTS_MASK;
    }
}
