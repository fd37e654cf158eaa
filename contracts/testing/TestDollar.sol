// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A currency for trying things out. Not money: anyone may make any amount of it.
contract TestDollar is ERC20 {
    constructor() ERC20("Test Dollar", "TUSD") {}

    /// @notice Makes `amount` for `to`. Anyone.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Six, like the stablecoins that it stands in for.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
