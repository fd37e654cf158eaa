// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ClearingHouse} from "../../contracts/clearing/ClearingHouse.sol";
import {Terms} from "../../contracts/interfaces/IPointsToken.sol";
import {ProgrammeRegistry} from "../../contracts/programmes/ProgrammeRegistry.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {Checked} from "./Vm.sol";

/// @notice A clearing house with programmes in it. Whoever is this contract is admin, exchange, and everybody's treasurer.
abstract contract HouseRig is Checked {
    uint256 internal constant CYCLE = 3 days;
    uint256 internal constant PERIOD = 1 days;

    ClearingHouse public house;
    bytes32[] public ids;

    function _openHouse(IERC20 currency, uint256 count) internal {
        ProgrammeRegistry registry = new ProgrammeRegistry(address(this), 0);
        registry.grantRole(registry.REGISTRAR_ROLE(), address(this));
        house = new ClearingHouse(registry, currency, CYCLE, PERIOD, address(this), 0);
        house.grantRole(house.EXCHANGE_ROLE(), address(this));
        for (uint256 i = 0; i < count; ++i) {
            bytes32 programmeId = bytes32(bytes1(uint8(0x61 + i)));
            ids.push(programmeId);
            registry.register(programmeId, address(_token()));
            house.join(programmeId);
        }
    }

    function _token() internal returns (PointsToken token) {
        Terms memory terms =
            Terms({epochLength: 1 days, validityDuration: 4, clawbackWindow: 0, supplyCap: 0, transferable: true});
        token = new PointsToken("Clearing Points", "CLR", terms, address(this), 0);
        token.grantRole(keccak256("TREASURER_ROLE"), address(this));
    }
}
