// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IExchange} from "../interfaces/IExchange.sol";
import {Lot} from "../interfaces/IPointsToken.sol";

/// @notice How a programme's lots expire: a lot of epoch e is worth nothing from `(e + validity + 1) * epochLength` on.
/// @param epochLength Length of an epoch, in seconds; not zero.
/// @param validity Epochs after its own through which a lot stays valid.
struct Calendar {
    uint256 epochLength;
    uint256 validity;
}

/// @title Lots of one programme as lots of another that expire no later.
library ExpiryCarrying {
    /// @notice What burnt `lots` become at the destination, `pointsOut` together.
    /// @dev Points out are shared in proportion, by running sums rounded down, so that they add up; what falls to one
    /// destination epoch is one lot. A lot that ends before any lot of the destination could is refused.
    /// @param lots Burnt lots, earliest first; at least one point.
    /// @param time The present, Unix time.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function carry(
        Lot[] memory lots,
        Calendar memory source,
        Calendar memory destination,
        uint256 pointsOut,
        uint256 time
    ) internal pure returns (Lot[] memory carried) {
        uint256 pointsIn = total(lots);
        uint256 before = 0;
        uint256 given = 0;
        uint256 count = 0;
        carried = new Lot[](lots.length);
        Lot memory last;
        for (uint256 i = 0; i < lots.length; ++i) {
            Lot memory lot = lots[i];
            uint256 epoch = epochEndingBy(lot, source, destination, time);
            before += lot.amount;
            uint256 share = (before * pointsOut) / pointsIn - given;
            if (share == 0) continue;
            given += share;
            if (count != 0 && last.epoch == epoch) {
                last.amount += share;
            } else {
                last = Lot(epoch, share);
                carried[count++] = last;
            }
        }
        // Shortens the array to what was filled; its memory was allocated above.
        assembly ("memory-safe") {
            mstore(carried, count)
        }
    }

    /// @notice The latest destination epoch that ends no later than `lot` does, or the present one if that is earlier.
    function epochEndingBy(Lot memory lot, Calendar memory source, Calendar memory destination, uint256 time)
        internal
        pure
        returns (uint256 epoch)
    {
        uint256 end = (lot.epoch + source.validity + 1) * source.epochLength;
        uint256 current = time / destination.epochLength;
        // Epochs that have ended by then.
        uint256 ended = end / destination.epochLength;
        uint256 oldestLive = current > destination.validity ? current - destination.validity : 0;
        if (ended < oldestLive + destination.validity + 1) {
            revert IExchange.ExpiryNotCarriable(lot.epoch, lot.amount);
        }
        // unchecked: `oldestLive` is not negative.
        unchecked {
            epoch = ended - destination.validity - 1;
        }
        if (epoch > current) epoch = current;
    }

    /// @notice Points of all lots.
    function total(Lot[] memory lots) internal pure returns (uint256 amount) {
        for (uint256 i = 0; i < lots.length; ++i) {
            amount += lots[i].amount;
        }
    }
}
