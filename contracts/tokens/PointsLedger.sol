// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {Lot} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsControl} from "./PointsControl.sol";

/// @title Where the points are: rings of packed lots for every account and for the supply.
/// @dev OpenZeppelin's own balance and supply storage stays empty; its name, symbol and allowances are used.
abstract contract PointsLedger is ERC20Permit, PointsControl {
    // slither-disable-start timestamp // lots live by block time in epochs of a day or more

    using EpochLedger for uint256[6];

    uint256 internal immutable _words;

    mapping(address account => uint256[6] ring) internal _rings;
    uint256[6] internal _supply;

    constructor() {
        _words = _validity / EpochLedger.LANES + 1;
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 0;
    }

    /// @inheritdoc ERC20
    function balanceOf(address account) public view override returns (uint256) {
        return _rings[account].liveLanes(_window()).total(_words);
    }

    /// @inheritdoc ERC20
    function totalSupply() public view override returns (uint256) {
        return _supply.liveLanes(_window()).total(_words);
    }

    /// @dev Moves FEFO. OpenZeppelin calls it for transfers, after its checks of zero addresses; mints and burns have their own
    /// ways below, so its `_mint` and `_burn` are not used.
    /// @inheritdoc ERC20
    // slither-disable-next-line dead-code // called by OpenZeppelin's `_transfer`
    function _update(address from, address to, uint256 value) internal override {
        EpochLedger.Window memory window = _window();
        _put(to, _take(from, value, window), window);
        emit Transfer(from, to, value);
    }

    /// @dev Mints `amount` points of the current epoch, within the cap.
    function _mintCurrent(address to, uint256 amount, uint256 supplyCap) internal {
        (uint256 epoch, uint256 k, uint256 shift) = _currentLane();
        _creditCurrent(uint160(to), amount, epoch, k, shift);
        _creditSupplyCurrent(amount, epoch, k, shift, supplyCap);
    }

    /// @dev Adds minted points of the current epoch to the supply, within the cap.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _creditSupplyCurrent(uint256 amount, uint256 epoch, uint256 k, uint256 shift, uint256 supplyCap) private {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(add(_supply.slot, k))
        }
        // Dead lots can only make this sum too large, so it decides alone when it is within the cap.
        uint256 increased = _words == 1 ? amount + EpochLedger.sum(word) : type(uint256).max;
        if (increased > supplyCap) {
            increased = amount + totalSupply();
            if (increased > supplyCap) revert SupplyCapExceeded(increased, supplyCap);
        }
        // slither-disable-next-line unused-return // dead lots of the supply need no log: each account logs its own
        if (word >> EpochLedger.TAG_SHIFT != epoch) (word,) = EpochLedger.advance(word, epoch, _words);
        // The lane stays within the cap, below 2^48, so the addition stays inside it.
        assembly ("memory-safe") {
            sstore(add(_supply.slot, k), add(word, shl(shift, amount)))
        }
    }

    /// @dev Adds points of the current epoch to an account and logs the Transfer. The supply must be checked later in the
    /// same transaction: that bounds the lane. The assembly is Solidity's own `_rings[account][k]`, without the bounds check of
    /// k, which is below `_words`, and `emit Transfer` from scratch memory.
    /// @param account An address, as a number so that it is not cleaned at each use.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _creditCurrent(uint256 account, uint256 amount, uint256 epoch, uint256 k, uint256 shift) private {
        if (account == 0) revert ERC20InvalidReceiver(address(0));
        // unchecked: an amount of zero wraps to the largest number and is refused with all that do not fit a lot.
        unchecked {
            if (amount - 1 >= EpochLedger.LANE_MASK) revert InvalidAmount(amount);
        }
        uint256 slot;
        uint256 word;
        assembly ("memory-safe") {
            mstore(0x00, account)
            mstore(0x20, _rings.slot)
            slot := add(keccak256(0x00, 0x40), k)
            word := sload(slot)
        }
        if (word >> EpochLedger.TAG_SHIFT != epoch) word = _advance(address(uint160(account)), word, epoch);
        bytes32 signature = Transfer.selector;
        assembly ("memory-safe") {
            // The lane is within the supply's lane, below 2^48, so the addition stays inside it.
            sstore(slot, add(word, shl(shift, amount)))
            mstore(0x00, amount)
            log3(0x00, 0x20, signature, 0, account)
        }
    }

    /// @dev Credits words of `address << 96 | amount` from calldata and writes the supply once, after them. The body is that
    /// of `_creditCurrent` without the call, which is a hundredth of what a credit costs.
    /// @return credited Sum of the amounts.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _creditBatch(uint256[] calldata credits, uint256 supplyCap) internal returns (uint256 credited) {
        (uint256 epoch, uint256 k, uint256 shift) = _currentLane();
        uint256 next;
        uint256 end;
        // The words lie one behind the other; the compiler has checked that they are within the calldata.
        assembly ("memory-safe") {
            next := credits.offset
            end := add(next, shl(5, credits.length))
        }
        bytes32 signature = Transfer.selector;
        // unchecked: fewer than 2^32 amounts below 2^48; an amount of zero wraps and is refused with what does not fit a lot.
        unchecked {
            for (; next < end; next += 0x20) {
                uint256 account;
                uint256 amount;
                uint256 slot;
                uint256 word;
                assembly ("memory-safe") {
                    let credit := calldataload(next)
                    account := shr(96, credit)
                    amount := and(credit, 0xffffffffffffffffffffffff)
                    mstore(0x00, account)
                    mstore(0x20, _rings.slot)
                    slot := add(keccak256(0x00, 0x40), k)
                    word := sload(slot)
                }
                if (account == 0) revert ERC20InvalidReceiver(address(0));
                if (amount - 1 >= EpochLedger.LANE_MASK) revert InvalidAmount(amount);
                if (word >> EpochLedger.TAG_SHIFT != epoch) word = _advance(address(uint160(account)), word, epoch);
                assembly ("memory-safe") {
                    // The lane is within the supply's lane, below 2^48, so the addition stays inside it.
                    sstore(slot, add(word, shl(shift, amount)))
                    mstore(0x00, amount)
                    log3(0x00, 0x20, signature, 0, account)
                    credited := add(credited, amount)
                }
            }
        }
        _creditSupplyCurrent(credited, epoch, k, shift, supplyCap);
    }

    /// @dev Takes the earliest-expiring `amount` points out of an account. The caller puts them somewhere or burns them.
    function _take(address account, uint256 amount, EpochLedger.Window memory window)
        internal
        returns (uint256[6] memory movement)
    {
        uint256 missing;
        uint256[6] storage ring = _rings[account];
        (movement, missing) = EpochLedger.takeEarliest(ring.liveLanes(window), amount, window);
        if (missing != 0) revert ERC20InsufficientBalance(account, amount - missing, amount);
        ring.debit(movement, window.words);
    }

    /// @dev Takes all live points out of an account.
    function _takeAll(address account, EpochLedger.Window memory window)
        internal
        returns (uint256[6] memory movement, uint256 amount)
    {
        uint256[6] storage ring = _rings[account];
        movement = ring.liveLanes(window);
        amount = movement.total(window.words);
        ring.debit(movement, window.words);
    }

    /// @dev Takes all live points out of an account that will not be used again, logs its dead lots and frees its storage.
    function _close(address account, EpochLedger.Window memory window)
        internal
        returns (uint256[6] memory movement, uint256 amount)
    {
        uint256[6] storage ring = _rings[account];
        movement = ring.liveLanes(window);
        amount = movement.total(window.words);
        for (uint256 k = 0; k < window.words; ++k) {
            uint256 word = ring[k];
            if (word == 0) continue;
            _logExpired(account, word & EpochLedger.LANES_MASK & ~movement[k], word >> EpochLedger.TAG_SHIFT);
            ring[k] = 0;
        }
    }

    /// @dev Takes up to `amount` points of the live lot of `epoch` out of an account.
    function _takeLot(address account, uint256 epoch, uint256 amount, EpochLedger.Window memory window)
        internal
        returns (uint256[6] memory movement, uint256 taken)
    {
        uint256[6] storage ring = _rings[account];
        uint256 lot = ring.lotAt(epoch, window);
        taken = amount < lot ? amount : lot;
        movement[EpochLedger.wordOf(epoch, window.words)] = taken << EpochLedger.shiftOf(epoch);
        ring.debit(movement, window.words);
    }

    /// @dev Puts a movement into an account, logging the dead lots that make room.
    function _put(address account, uint256[6] memory movement, EpochLedger.Window memory window) internal {
        if (window.epoch > EpochLedger.MAX_EPOCH) revert EpochLimitReached(window.epoch);
        uint256[6] storage ring = _rings[account];
        for (uint256 k = 0; k < window.words; ++k) {
            uint256 lanes = movement[k];
            // slither-disable-next-line incorrect-equality // nothing to put into this word
            if (lanes == 0) continue;
            uint256 word = ring[k];
            uint256 tag = EpochLedger.newestEpoch(k, window.epoch, window.words);
            if (word >> EpochLedger.TAG_SHIFT != tag) word = _advance(account, word, tag);
            // unchecked: every lane is within the supply's lane, below 2^48.
            unchecked {
                ring[k] = word + lanes;
            }
        }
    }

    /// @dev Burns a movement that was taken out of an account. The caller logs the Transfer.
    function _debitSupply(uint256[6] memory movement, EpochLedger.Window memory window) internal {
        _supply.debit(movement, window.words);
    }

    /// @dev Adds minted lots to the supply. The caller checks the cap where it applies.
    function _creditSupply(uint256[6] memory movement, uint256 amount, EpochLedger.Window memory window) internal {
        if (!_supply.creditSupply(movement, window)) revert InvalidAmount(amount);
    }

    /// @dev Logs the lots of a movement, to stand directly before its Transfer.
    function _logLots(address from, address to, Lot[] memory lots) internal {
        for (uint256 i = 0; i < lots.length; ++i) {
            emit LotTransferred(from, to, lots[i].epoch, lots[i].amount);
        }
    }

    /// @dev Where points of the current epoch are credited, unless the tag cannot hold the epoch any more.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _currentLane() private view returns (uint256 epoch, uint256 k, uint256 shift) {
        uint256 length = _epochLength;
        uint256 words = _words;
        // Neither divisor is zero.
        assembly ("memory-safe") {
            epoch := div(timestamp(), length)
            k := mod(div(epoch, 5), words)
            shift := mul(mod(epoch, 5), 48)
        }
        if (epoch > EpochLedger.MAX_EPOCH) revert EpochLimitReached(epoch);
    }

    function _window() internal view returns (EpochLedger.Window memory) {
        return EpochLedger.Window({epoch: block.timestamp / _epochLength, validity: _validity, words: _words});
    }

    /// @dev Removes the dead lots of an account and logs them.
    function _expire(address account, EpochLedger.Window memory window) internal {
        uint256[6] storage ring = _rings[account];
        for (uint256 k = 0; k < window.words; ++k) {
            uint256 word = ring[k];
            uint256 mask = EpochLedger.liveMask(word, window.epoch, window.validity, window.words);
            uint256 dead = word & EpochLedger.LANES_MASK & ~mask;
            // slither-disable-next-line incorrect-equality // lanes of our own, which nobody can add dust to; zero is "none"
            if (dead == 0) continue;
            ring[k] = word - dead;
            _logExpired(account, dead, word >> EpochLedger.TAG_SHIFT);
        }
    }

    /// @dev Points of a lot; zero unless `epoch` is live.
    function _liveLot(uint256[6] storage ring, uint256 epoch) internal view returns (uint256) {
        EpochLedger.Window memory window = _window();
        if (epoch > window.epoch || window.epoch - epoch > window.validity) return 0;
        return ring.lotAt(epoch, window);
    }

    /// @dev Moves the tag of an account's word on and logs the lots that make room.
    function _advance(address account, uint256 word, uint256 tag) private returns (uint256 advanced) {
        uint256 evictedLanes;
        if (word == 0) return tag << EpochLedger.TAG_SHIFT;
        (advanced, evictedLanes) = EpochLedger.advance(word, tag, _words);
        if (evictedLanes != 0) _logExpired(account, evictedLanes, word >> EpochLedger.TAG_SHIFT);
    }

    /// @dev Logs dead lanes of a word with this tag, earliest first.
    function _logExpired(address account, uint256 dead, uint256 tag) private {
        // unchecked: sums of small numbers; shifts below 240.
        unchecked {
            for (uint256 i = 1; dead != 0; ++i) {
                uint256 lane = (tag + i) % EpochLedger.LANES;
                uint256 shift = lane * EpochLedger.LANE_BITS;
                uint256 amount = (dead >> shift) & EpochLedger.LANE_MASK;
                // slither-disable-next-line incorrect-equality // an empty lane
                if (amount == 0) continue;
                dead ^= amount << shift;
                emit PointsExpired(account, EpochLedger.epochOfLane(lane, tag, _words), amount);
                emit Transfer(account, address(0), amount);
            }
        }
    }

    // slither-disable-end timestamp
}
