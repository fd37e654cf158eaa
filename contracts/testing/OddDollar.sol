// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {TestDollar} from "./TestDollar.sol";

/// @notice Test double: a currency that does not do what an ordinary ERC-20 does when money moves.
contract OddDollar is TestDollar {
    /// @param Honest As it should be.
    /// @param TakesFee A hundredth does not arrive.
    /// @param MovesNothing Says yes and moves nothing.
    /// @param ReturnsFalse Says no and moves nothing.
    /// @param ReturnsNothing Moves what it should and says nothing, as some older currencies do.
    /// @param CallsBack Calls somebody else in the midst of a move.
    /// @param Reverts Refuses every move.
    /// @param ChargesSender Takes a hundredth more than what arrives.
    enum Oddity {
        Honest,
        TakesFee,
        MovesNothing,
        ReturnsFalse,
        ReturnsNothing,
        CallsBack,
        Reverts,
        ChargesSender
    }

    error Refused();

    Oddity public oddity;
    address private _target;
    bytes private _data;

    /// @notice Changes how it behaves.
    function behave(Oddity oddity_) external {
        oddity = oddity_;
    }

    /// @notice Behaves as `CallsBack` from now on, with this call.
    function callBack(address target, bytes calldata data) external {
        oddity = Oddity.CallsBack;
        _target = target;
        _data = data;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (!_moves()) return oddity == Oddity.MovesNothing;
        return _end(super.transfer(to, amount), msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (!_moves()) return oddity == Oddity.MovesNothing;
        return _end(super.transferFrom(from, to, amount), from, to, amount);
    }

    function _moves() private view returns (bool) {
        return oddity != Oddity.MovesNothing && oddity != Oddity.ReturnsFalse;
    }

    function _end(bool moved, address from, address to, uint256 amount) private returns (bool) {
        if (oddity == Oddity.Reverts) revert Refused();
        if (oddity == Oddity.ChargesSender) _burn(from, amount / 100);
        if (oddity == Oddity.TakesFee) _burn(to, amount / 100);
        if (oddity == Oddity.CallsBack) Address.functionCall(_target, _data);
        if (oddity == Oddity.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return moved;
    }
}
