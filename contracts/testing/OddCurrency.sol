// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice What is wrong with the currency.
enum Oddity {
    None,
    TakesFee, // the receiver gets one unit less
    ChargesSender, // the sender is charged one unit more
    DeliversNothing, // says yes and moves nothing
    ReturnsFalse, // says no and moves nothing
    Reverts,
    CallsBack // calls somebody after the move
}

/// @title A currency that can turn odd, to try those who hold it.
contract OddCurrency is ERC20 {
    error Refused();

    Oddity public oddity;
    address public target;
    bytes public data;
    /// @notice What became of the last call back.
    bool public answered;
    bytes public answer;

    constructor() ERC20("Odd Currency", "ODD") {}

    /// @notice Makes `amount` for `to`. Anyone.
    function mint(address to, uint256 amount) external {
        super._update(address(0), to, amount);
    }

    /// @notice Turns odd, or ordinary again. Anyone.
    function become(Oddity oddity_) external {
        oddity = oddity_;
    }

    /// @notice Calls `target_` with `data_` after each move.
    function callBack(address target_, bytes calldata data_) external {
        oddity = Oddity.CallsBack;
        target = target_;
        data = data_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return oddity != Oddity.ReturnsFalse && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return oddity != Oddity.ReturnsFalse && super.transferFrom(from, to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (oddity == Oddity.Reverts) revert Refused();
        if (oddity == Oddity.DeliversNothing) return;
        super._update(from, to, oddity == Oddity.TakesFee ? amount - 1 : amount);
        if (oddity == Oddity.TakesFee || oddity == Oddity.ChargesSender) super._update(from, address(0), 1);
        if (oddity == Oddity.CallsBack) (answered, answer) = target.call(data);
    }
}
