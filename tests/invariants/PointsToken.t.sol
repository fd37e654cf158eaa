// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {PointsHandler} from "./PointsHandler.sol";
import {Checked} from "./Vm.sol";

/// @notice What is true of every token after any sequence of operations. A contract below for each validity.
abstract contract PointsInvariants is Checked {
    PointsHandler internal handler;
    PointsToken internal token;
    uint256 internal validity;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Every account's lots are the model's, by lot and in sum, and no dead lot shows. This is FEFO and
    /// conservation in one: the model spends the earliest lot first and never makes or loses a point.
    function invariant_lotsAreTheModels() external view {
        for (uint256 i = 0; i < handler.accountCount(); ++i) {
            _checkAccount(handler.accounts(i));
        }
    }

    /// @notice The lots of all accounts add up to the supply, for each epoch.
    function invariant_lotsAddUpToSupply() external view {
        uint256 total = 0;
        for (uint256 epoch = handler.modelFirstLive(); epoch <= handler.modelEpoch(); ++epoch) {
            uint256 sum = 0;
            for (uint256 i = 0; i < handler.accountCount(); ++i) {
                sum += token.balanceOfAtEpoch(epoch, handler.accounts(i));
            }
            for (uint256 i = 0; i < handler.holdCount(); ++i) {
                sum += token.balanceOfAtEpoch(epoch, _holdAccount(i));
            }
            _equal(token.totalSupplyAtEpoch(epoch), sum, "supply of an epoch");
            total += sum;
        }
        _equal(token.totalSupply(), total, "total supply");
    }

    /// @notice An open hold keeps exactly its lots, and its account can be told from the token.
    function invariant_holdsConserve() external view {
        for (uint256 i = 0; i < handler.holdCount(); ++i) {
            PointsHandler.Hold memory held = handler.holdAt(i);
            (uint256 amount, uint256 deadline) = token.holdOf(held.account, held.ref);
            _equal(amount, held.amount, "amount of a hold");
            _equal(deadline, held.deadline, "deadline of a hold");
            _checkAccount(_holdAccount(i));
        }
    }

    /// @notice What can still be refunded is the redemption less what was.
    function invariant_refundsStayWithinRedemptions() external view {
        for (uint256 i = 0; i < handler.redemptionCount(); ++i) {
            PointsHandler.Redemption memory redemption = handler.redemptionAt(i);
            uint256 left = redemption.amount - redemption.refunded;
            _equal(token.refundableOf(redemption.account, redemption.ref), left, "refundable");
        }
    }

    /// @notice The storage words, read by the documented rule alone, say what the token says: a lane's epoch is the largest
    /// not above the tag that maps to it. Anyone with a storage proof relies on this.
    function invariant_wordsFollowTheDocumentedRule() external view {
        for (uint256 i = 0; i < handler.accountCount(); ++i) {
            _checkWords(handler.accounts(i));
        }
    }

    function _start(uint256 validity_, uint256 epoch) internal {
        vm.warp(epoch * 1 days);
        validity = validity_;
        handler = new PointsHandler(validity_);
        token = handler.token();
    }

    function _holdAccount(uint256 index) private view returns (address) {
        PointsHandler.Hold memory held = handler.holdAt(index);
        return token.holdAccountOf(held.account, held.ref);
    }

    function _checkAccount(address account) private view {
        Lot[] memory lots = token.lotsOf(account);
        uint256 at = 0;
        for (uint256 epoch = handler.modelFirstLive(); epoch <= handler.modelEpoch(); ++epoch) {
            uint256 expected = handler.modelLot(account, epoch);
            if (expected == 0) continue;
            _true(at < lots.length, "a lot is missing");
            _equal(lots[at].epoch, epoch, "epoch of a lot");
            _equal(lots[at].amount, expected, "amount of a lot");
            ++at;
        }
        _equal(lots.length, at, "number of lots");
        _equal(token.balanceOf(account), handler.modelBalance(account), "balance");
        uint256 ring = 5 * (validity / 5 + 1);
        _equal(token.balanceOfAtEpoch(handler.modelEpoch() + 1, account), 0, "lot of a future epoch");
        _equal(token.balanceOfAtEpoch(handler.modelEpoch() - validity - 1, account), 0, "lot just expired");
        _equal(token.balanceOfAtEpoch(handler.modelEpoch() - ring, account), 0, "lot one turn of the ring ago");
    }

    function _checkWords(address account) private view {
        uint256 words = validity / 5 + 1;
        uint256 ring = 5 * words;
        for (uint256 k = 0; k < words; ++k) {
            uint256 word = uint256(vm.load(address(token), bytes32(uint256(token.lotSlotOf(account)) + k)));
            uint256 tag = word >> 240;
            for (uint256 lane = 0; lane < 5; ++lane) {
                uint256 amount = (word >> (48 * lane)) & (2 ** 48 - 1);
                if (amount == 0) continue;
                uint256 epoch = tag;
                while (epoch % ring != 5 * k + lane) --epoch;
                bool live = epoch + validity >= handler.modelEpoch();
                _equal(live ? amount : 0, handler.modelLot(account, epoch), "lot read from its word");
            }
        }
    }
}

contract PointsInvariantsValidity0 is PointsInvariants {
    function setUp() external {
        _start(0, 20_000);
    }
}

contract PointsInvariantsValidity4 is PointsInvariants {
    function setUp() external {
        _start(4, 20_003);
    }
}

contract PointsInvariantsValidity5 is PointsInvariants {
    function setUp() external {
        _start(5, 20_001);
    }
}

/// @notice Each check walks thirty epochs, so there are fewer runs.
/// forge-config: default.invariant.runs = 20
contract PointsInvariantsValidity29 is PointsInvariants {
    function setUp() external {
        _start(29, 20_007);
    }
}

/// @notice Starts a little before the last epoch that a tag can hold and runs past it.
contract PointsInvariantsAtTheLimit is PointsInvariants {
    function setUp() external {
        _start(5, 65_535 - 20);
    }
}
