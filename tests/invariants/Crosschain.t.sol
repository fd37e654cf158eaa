// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {CrosschainHandler} from "./CrosschainHandler.sol";
import {Checked} from "./Vm.sol";

/// @notice What is true of two chains that exchange points, whatever is sent, delivered, repeated, paused or changed in
/// whatever order. What may become of each message the handler checks when it happens.
/// forge-config: default.invariant.runs = 60
contract CrosschainInvariants is Checked {
    CrosschainHandler private handler;

    function setUp() external {
        vm.warp(20_000 days);
        handler = new CrosschainHandler();
        // So that there is something to deliver from the first call on.
        for (uint256 i = 0; i < 8; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.swap(i, i >> 2, seed, seed >> 8);
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice In the end nothing is under way: each burn was minted or refunded, and everything else is still true.
    function afterInvariant() external {
        handler.drain();
        _equal(handler.inFlight(), 0, "in flight after everything was delivered");
        _checkAll();
    }

    function invariant_everyPointIsAccountedFor() external view {
        _checkAll();
    }

    function _checkAll() private view {
        for (uint256 p = 0; p < 3; ++p) {
            _checkSupply(p);
        }
        for (uint256 lane = 0; lane < 4; ++lane) {
            (uint256 burnt, uint256 minted, uint256 rest) = handler.pointsOutOf(lane);
            _true(minted <= burnt, "no more minted than burnt");
            _equal(minted + rest, burnt, "a burn has one outcome");
        }
        for (uint256 i = 0; i < handler.swapCount(); ++i) {
            handler.checkJourney(handler.swapIds(i));
        }
        handler.checkDebts(0);
        handler.checkDebts(1);
    }

    /// @dev Lots are the model's, they add up to the supply, and branches have no points.
    function _checkSupply(uint256 p) private view {
        uint256 home = p == 1 ? 1 : 0;
        uint256 supply = 0;
        for (uint256 member = 0; member < 2; ++member) {
            address account = handler.account(p, member);
            Lot[] memory lots = handler.token(home, p).lotsOf(account);
            uint256 balance = 0;
            for (uint256 i = 0; i < lots.length; ++i) {
                _equal(lots[i].amount, handler.modelLot(p, account, lots[i].epoch), "amount of a lot");
                balance += lots[i].amount;
            }
            _equal(balance, handler.modelBalance(p, account), "balance");
            supply += balance;
        }
        _equal(handler.token(home, p).totalSupply(), supply, "supply");
        _equal(handler.token(1 - home, p).totalSupply(), 0, "supply of a branch");
    }
}
