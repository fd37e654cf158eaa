// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title OpenZeppelin's token with roles, as the yardstick of the gas table.
/// @notice Points that never expire, issued one by one or by the same packed batches as PointsToken's.
contract PlainPoints is ERC20, AccessControl {
    bytes32 public constant ISSUER_ROLE = keccak256("ISSUER_ROLE");

    constructor() ERC20("Plain Points", "PLAIN") {
        _grantRole(ISSUER_ROLE, msg.sender);
    }

    function mint(address to, uint256 amount) external onlyRole(ISSUER_ROLE) {
        _mint(to, amount);
    }

    function issueBatch(uint256[] calldata credits) external onlyRole(ISSUER_ROLE) {
        for (uint256 i = 0; i < credits.length; ++i) {
            _mint(address(uint160(credits[i] >> 96)), credits[i] & type(uint96).max);
        }
    }

    function redeem(uint256 amount) external {
        _burn(msg.sender, amount);
    }
}
