// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IERC7818} from "../../contracts/interfaces/IERC7818.sol";
import {IPointsToken, Lot, Terms} from "../../contracts/interfaces/IPointsToken.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {LedgerModel} from "./LedgerModel.sol";
import {Checked} from "./Vm.sol";

/// @notice Random operations on a token, each done on the model as well. What must be refused is tried and checked here.
contract PointsHandler is LedgerModel, Checked {
    struct Redemption {
        address account;
        bytes32 ref;
        uint256 amount;
        uint256 refunded;
        Lot[] lots;
    }

    struct Hold {
        address account;
        bytes32 ref;
        uint256 amount;
        uint256 deadline;
    }

    uint256 private constant MAX_OPEN = 6;
    uint256 private constant CAP = 1 << 40;

    PointsToken public immutable token;
    address[] public accounts;
    bytes32[] private _keys;
    Redemption[] private _redemptions;
    Hold[] private _holds;
    bytes32[] private _usedRefs;
    uint256 private _refCount;

    constructor(uint256 validity) LedgerModel(validity) {
        Terms memory terms = Terms({
            epochLength: 1 days,
            validityDuration: uint16(validity),
            clawbackWindow: 3,
            supplyCap: uint48(CAP),
            transferable: true
        });
        token = new PointsToken("Invariant Points", "INV", terms, address(this), 0);
        token.grantRole(token.ISSUER_ROLE(), address(this));
        token.grantRole(token.CUSTODIAN_ROLE(), address(this));
        token.grantRole(token.EXCHANGE_ROLE(), address(this));
        for (uint256 i = 1; i <= 4; ++i) {
            accounts.push(address(uint160(0xa11ce000 + i)));
        }
        for (uint256 i = 1; i <= 2; ++i) {
            _keys.push(keccak256(abi.encode("member", i)));
            accounts.push(token.managedAccount(_keys[i - 1]));
        }
    }

    // What time does

    /// @notice Time passes: mostly little, at times past the whole ring or a long way beyond.
    function pass(uint256 seed) external {
        uint256 kind = seed % 16;
        uint256 most = kind < 13 ? 2 : kind < 15 ? 12 : 200;
        vm.warp(block.timestamp + ((seed >> 8) % (most * 1 days)));
    }

    // What the issuer does

    /// @dev An epoch passes before every second issue, so that accounts come to have many lots.
    function issue(uint256 who, uint256 amount) public {
        if (amount % 2 == 0) vm.warp(block.timestamp + 1 days);
        address account = _account(who);
        amount = _between(amount, 1, 1e6);
        bytes32 ref = _newRef();
        if (_refusedAtLimit()) return token.issue(account, amount, ref);
        token.issue(account, amount, ref);
        _modelAdd(account, modelEpoch(), amount);
        _usedRefs.push(ref);
    }

    function issueBatch(uint256 seed) external {
        if ((seed >> 16) % 2 == 0) vm.warp(block.timestamp + 1 days);
        uint256[] memory credits = new uint256[](1 + seed % 12);
        bytes32 ref = _newRef();
        for (uint256 i = 0; i < credits.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            credits[i] = (uint256(uint160(_account(seed))) << 96) | _between(seed >> 128, 1, 1e6);
        }
        if (_refusedAtLimit()) return token.issueBatch(ref, credits);
        token.issueBatch(ref, credits);
        for (uint256 i = 0; i < credits.length; ++i) {
            _modelAdd(address(uint160(credits[i] >> 96)), modelEpoch(), credits[i] & type(uint96).max);
        }
        _usedRefs.push(ref);
    }

    function clawback(uint256 who, uint256 back, uint256 amount) external {
        address account = _account(who);
        uint256 epoch = modelEpoch() - back % 4;
        amount = _between(amount, 1, 2e6);
        uint256 lot = modelLot(account, epoch);
        bytes32 ref = _newRef();
        uint256 taken = token.clawback(account, epoch, amount, ref);
        _equal(taken, amount < lot ? amount : lot, "taken by clawback");
        if (taken != 0) _points[account][epoch] -= taken;
        _usedRefs.push(ref);
    }

    function refund(uint256 which, uint256 amount) public {
        if (_redemptions.length == 0) return;
        Redemption storage redemption = _redemptions[which % _redemptions.length];
        uint256 left = redemption.amount - redemption.refunded;
        if (left == 0) return _refundTooMuch(redemption, 1);
        amount = _between(amount, 1, left);
        if (which % 3 == 0) amount = left;
        if (amount == left) _refundTooMuch(redemption, left + 1);
        // Above the limit a refund is refused only when it would restore something; by then nothing is live.
        if (modelEpoch() > type(uint16).max) return;
        token.refund(redemption.ref, redemption.account, redemption.lots, amount);
        _modelRefund(redemption, amount);
    }

    /// @notice Many lots are earned one after the other, redeemed at once and given back in pieces, some of them too late.
    /// Left to chance alone such a life is rare.
    function earnRedeemRefund(uint256 who, uint256 seed) external {
        for (uint256 i = 0; i < 2 + seed % 5; ++i) {
            issue(who, _piece(seed, i) & ~uint256(1));
        }
        redeem(who, 0);
        if (_redemptions.length == 0) return;
        uint256 last = _redemptions.length - 1;
        for (uint256 i = 7; i < 11; ++i) {
            if (_piece(seed, i) % 3 == 0) vm.warp(block.timestamp + 1 days);
            refund(last, _piece(seed, i));
        }
    }

    // What members do

    function redeem(uint256 who, uint256 amount) public {
        address account = _account(who);
        uint256 balance = modelBalance(account);
        if (balance == 0) return;
        amount = amount % 2 == 0 ? balance : _between(amount, 1, balance);
        bytes32 ref = _newRef();
        uint256 index = _index(who);
        if (index >= 4) {
            token.redeemManaged(_keys[index - 4], amount, ref);
        } else {
            vm.prank(account);
            token.redeem(amount, ref);
        }
        _keep(account, ref, _modelTake(account, amount), amount);
        if (index < 4) {
            vm.prank(account);
            vm.expectRevert(abi.encodeWithSelector(IPointsToken.RefAlreadyUsed.selector, ref));
            token.redeem(1, ref);
        }
    }

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        address sender = accounts[from % 4];
        amount = _between(amount, 0, modelBalance(sender));
        address recipient = _account(to);
        vm.prank(sender);
        if (_refusedAtLimit()) {
            token.transfer(recipient, amount);
            return;
        }
        token.transfer(recipient, amount);
        _modelAddAll(recipient, _modelTake(sender, amount));
    }

    function transferAtEpoch(uint256 from, uint256 to, uint256 back, uint256 amount) external {
        if (modelEpoch() > type(uint16).max) return;
        address sender = accounts[from % 4];
        address recipient = _account(to);
        uint256 epoch = modelEpoch() - back % (_validity + 1);
        amount = _between(amount, 0, modelLot(sender, epoch));
        vm.prank(sender);
        token.transferAtEpoch(epoch, recipient, amount);
        _points[sender][epoch] -= amount;
        _points[recipient][epoch] += amount;
    }

    function transferExpired(uint256 from, uint256 to, uint256 back) external {
        uint256 epoch = modelEpoch() - _validity - 1 - back % 12;
        address sender = accounts[from % 4];
        vm.prank(sender);
        vm.expectRevert(abi.encodeWithSelector(IERC7818.ERC7818TransferredExpiredToken.selector, sender, epoch));
        token.transferAtEpoch(epoch, _account(to), 1);
    }

    function spendTooMuch(uint256 who, uint256 more) external {
        address account = accounts[who % 4];
        uint256 balance = modelBalance(account);
        uint256 amount = balance + 1 + more % 1e6;
        bytes4 refusal = IERC20Errors.ERC20InsufficientBalance.selector;
        vm.prank(account);
        vm.expectRevert(abi.encodeWithSelector(refusal, account, balance, amount));
        token.redeem(amount, _newRef());
    }

    function moveToWallet(uint256 which, uint256 to) external {
        uint256 index = which % 2;
        address account = accounts[4 + index];
        address wallet = accounts[to % 4];
        uint256 amount = modelBalance(account);
        if (amount != 0 && _refusedAtLimit()) return token.moveToWallet(_keys[index], wallet);
        token.moveToWallet(_keys[index], wallet);
        _modelAddAll(wallet, _modelTake(account, amount));
    }

    // Holds

    function hold(uint256 who, uint256 amount, uint256 duration) external {
        uint256 index = _index(who);
        address account = accounts[index];
        uint256 balance = modelBalance(account);
        if (balance == 0 || _holds.length == MAX_OPEN) return;
        amount = _between(amount, 1, balance);
        uint256 deadline = block.timestamp + duration % token.MAX_HOLD_DURATION();
        bytes32 ref = _newRef();
        if (index < 4) vm.prank(account);
        if (_refusedAtLimit()) {
            return index < 4 ? token.hold(amount, ref, deadline) : token.holdManaged(_keys[index - 4], amount, ref, deadline);
        }
        if (index < 4) token.hold(amount, ref, deadline);
        else token.holdManaged(_keys[index - 4], amount, ref, deadline);
        _modelAddAll(token.holdAccountOf(account, ref), _modelTake(account, amount));
        _holds.push(Hold(account, ref, amount, deadline));
    }

    function capture(uint256 which, uint256 amount) external {
        if (_holds.length == 0) return;
        uint256 index = which % _holds.length;
        Hold memory held = _holds[index];
        address holdAccount = token.holdAccountOf(held.account, held.ref);
        uint256 live = modelBalance(holdAccount);
        if (block.timestamp > held.deadline) {
            vm.expectRevert(abi.encodeWithSelector(IPointsToken.HoldExpired.selector, held.ref, held.deadline));
            return token.capture(held.account, held.ref, 1);
        }
        if (live == 0) return;
        amount = _between(amount, 1, live);
        if (amount != live && _refusedAtLimit()) return token.capture(held.account, held.ref, amount);
        token.capture(held.account, held.ref, amount);
        _keep(held.account, held.ref, _modelTake(holdAccount, amount), amount);
        _modelAddAll(held.account, _modelTake(holdAccount, live - amount));
        _drop(index);
    }

    function release(uint256 which, bool stranger) external {
        if (_holds.length == 0) return;
        uint256 index = which % _holds.length;
        Hold memory held = _holds[index];
        address holdAccount = token.holdAccountOf(held.account, held.ref);
        uint256 live = modelBalance(holdAccount);
        if (stranger) vm.prank(address(0x57a));
        if (stranger && block.timestamp <= held.deadline) {
            vm.expectRevert(abi.encodeWithSelector(IPointsToken.HoldStillActive.selector, held.ref, held.deadline));
            return token.release(held.account, held.ref);
        }
        if (live != 0 && _refusedAtLimit()) return token.release(held.account, held.ref);
        token.release(held.account, held.ref);
        _modelAddAll(held.account, _modelTake(holdAccount, live));
        _drop(index);
    }

    // The exchange and anybody

    function crosschainMint(uint256 who, uint256 amount) external {
        address account = _account(who);
        amount = _between(amount, 1, 1e6);
        if (_refusedAtLimit()) return token.crosschainMint(account, amount);
        token.crosschainMint(account, amount);
        _modelAdd(account, modelEpoch(), amount);
    }

    function crosschainBurn(uint256 who, uint256 amount) external {
        address account = _account(who);
        uint256 balance = modelBalance(account);
        if (balance == 0) return;
        amount = _between(amount, 1, balance);
        token.crosschainBurn(account, amount);
        _modelTake(account, amount);
    }

    /// @notice Burns lots and mints the same lots again, to somebody else: a swap that carries expiry.
    function carryLots(uint256 from, uint256 to, uint256 amount) external {
        address account = _account(from);
        uint256 balance = modelBalance(account);
        if (balance == 0 || modelEpoch() > type(uint16).max) return;
        amount = _between(amount, 1, balance);
        Lot[] memory lots = token.crosschainBurnLots(account, amount);
        Lot[] memory expected = _modelTake(account, amount);
        _equal(uint256(keccak256(abi.encode(lots))), uint256(keccak256(abi.encode(expected))), "lots burned FEFO");
        token.crosschainMintLots(_account(to), lots);
        _modelAddAll(_account(to), lots);
    }

    function expire(uint256 seed) external {
        address[] memory some = new address[](1 + seed % 3);
        for (uint256 i = 0; i < some.length; ++i) {
            some[i] = _account(seed >> (8 * (i + 1)));
        }
        token.expire(some);
    }

    function reuseRef(uint256 which) external {
        if (_usedRefs.length == 0 || modelEpoch() > type(uint16).max) return;
        bytes32 ref = _usedRefs[which % _usedRefs.length];
        vm.expectRevert(abi.encodeWithSelector(IPointsToken.RefAlreadyUsed.selector, ref));
        token.issue(accounts[0], 1, ref);
    }

    // What the invariants read

    function accountCount() external view returns (uint256) {
        return accounts.length;
    }

    function holdCount() external view returns (uint256) {
        return _holds.length;
    }

    function holdAt(uint256 index) external view returns (Hold memory) {
        return _holds[index];
    }

    function redemptionCount() external view returns (uint256) {
        return _redemptions.length;
    }

    function redemptionAt(uint256 index) external view returns (Redemption memory) {
        return _redemptions[index];
    }

    // Helpers

    /// @dev Whether the next call credits beyond the last epoch that a tag can hold; it must be refused then.
    function _refusedAtLimit() private returns (bool refused) {
        refused = modelEpoch() > type(uint16).max;
        if (refused) vm.expectRevert(abi.encodeWithSelector(IPointsToken.EpochLimitReached.selector, modelEpoch()));
    }

    function _refundTooMuch(Redemption storage redemption, uint256 amount) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IPointsToken.RefundExceedsRedemption.selector,
                redemption.ref,
                amount,
                redemption.amount - redemption.refunded
            )
        );
        token.refund(redemption.ref, redemption.account, redemption.lots, amount);
    }

    /// @dev Restores point by point from the latest-expiring end, which is slow and plainly right in whole lots.
    function _modelRefund(Redemption storage redemption, uint256 amount) private {
        uint256 skip = redemption.refunded;
        redemption.refunded += amount;
        for (uint256 i = redemption.lots.length; i > 0 && amount != 0; --i) {
            Lot memory lot = redemption.lots[i - 1];
            uint256 skipped = skip < lot.amount ? skip : lot.amount;
            skip -= skipped;
            uint256 part = lot.amount - skipped < amount ? lot.amount - skipped : amount;
            amount -= part;
            if (lot.epoch >= modelFirstLive()) _modelAdd(redemption.account, lot.epoch, part);
        }
    }

    function _keep(address account, bytes32 ref, Lot[] memory lots, uint256 amount) private {
        if (_redemptions.length == MAX_OPEN) {
            _redemptions[_refCount % MAX_OPEN] = _redemptions[MAX_OPEN - 1];
            _redemptions.pop();
        }
        Redemption storage redemption = _redemptions.push();
        redemption.account = account;
        redemption.ref = ref;
        redemption.amount = amount;
        for (uint256 i = 0; i < lots.length; ++i) {
            redemption.lots.push(lots[i]);
        }
    }

    function _piece(uint256 seed, uint256 index) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, index)));
    }

    function _drop(uint256 index) private {
        _holds[index] = _holds[_holds.length - 1];
        _holds.pop();
    }

    function _newRef() private returns (bytes32) {
        return bytes32(++_refCount);
    }

    function _index(uint256 seed) private view returns (uint256) {
        return seed % accounts.length;
    }

    function _account(uint256 seed) private view returns (address) {
        return accounts[_index(seed)];
    }

    function _between(uint256 value, uint256 least, uint256 most) private pure returns (uint256) {
        return least + value % (most - least + 1);
    }
}
