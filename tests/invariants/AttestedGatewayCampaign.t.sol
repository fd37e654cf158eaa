// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {GatewayHandler} from "./GatewayHandler.sol";
import {Checked} from "./Vm.sol";

/// @notice What is true of a gateway whatever is sent to it, in whatever order. The handler checks besides that what is accepted
/// is what should be.
/// forge-config: default.invariant.runs = 25
/// forge-config: default.invariant.depth = 60
contract AttestedGatewayCampaign is Checked {
    GatewayHandler private _handler;

    function setUp() external {
        _handler = new GatewayHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @notice Each message is taken at most once, only what was sent is, what was tried and not taken is kept as failed, and
    /// nonces have no gaps.
    function invariant_eachMessageOnce() external view {
        _handler.check();
    }
}

/// @notice That random operations lead to where it is hard; and that in the end everything arrives.
contract AttestedGatewayCoverage is Checked {
    function test_afterALongRandomLifeEverythingArrivesOnce() external {
        uint256 seed = 11;
        uint256 retries = 0;
        uint256 rotations = 0;
        for (uint256 life = 0; life < 5; ++life) {
            GatewayHandler handler = new GatewayHandler();
            for (uint256 i = 0; i < 60; ++i) {
                seed = uint256(keccak256(abi.encode(seed)));
                handler.refuse(seed, seed >> 8 & 3 == 0);
                handler.send(seed >> 8, seed >> 16, seed >> 24);
                handler.deliver(seed >> 32, seed >> 40, seed >> 48);
                if (seed >> 64 & 3 == 0) handler.pause(seed >> 72);
                if (seed >> 74 & 7 == 0) handler.rotate(seed >> 80, seed >> 88);
                handler.forge(seed >> 96, seed >> 104, seed >> 112);
                handler.retry(seed >> 120);
                handler.check();
            }
            retries += handler.retries();
            rotations += handler.rotations();
            handler.finish();
            handler.check();
            _true(handler.deliveries() > 50, "deliveries");
        }
        _true(retries > 10, "retries");
        _true(rotations > 10, "rotations");
    }
}
