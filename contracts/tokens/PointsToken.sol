// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {IERC7818} from "../interfaces/IERC7818.sol";
import {IPointsToken, Lot, Terms} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsControl} from "./PointsControl.sol";
import {PointsHolding} from "./PointsHolding.sol";
import {PointsIssuing} from "./PointsIssuing.sol";

/// @title Points of one loyalty programme.
/// @notice See IPointsToken for what it promises and whom it trusts. Here are the exchange's entry points (ERC-7802 and
/// its lot-carrying form) and the way from a managed account to a member's own wallet.
contract PointsToken is PointsIssuing, PointsHolding, IERC7802 {
    // slither-disable-start timestamp // lots live by block time in epochs of a day or more

    /// @param name_ Name of the points, at most 31 bytes: it is also the EIP-712 domain's name.
    /// @param symbol_ Ticker of the points.
    /// @param terms_ What the programme promises; all but the supply cap are final.
    /// @param admin First DEFAULT_ADMIN, which grants all other roles.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(string memory name_, string memory symbol_, Terms memory terms_, address admin, uint48 adminDelay)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
        PointsControl(terms_, admin, adminDelay)
    {}

    /// @inheritdoc IERC7802
    function crosschainMint(address to, uint256 amount) external onlyRole(EXCHANGE_ROLE) {
        _mintCurrent(to, amount, _requireActive());
        emit CrosschainMint(to, amount, _msgSender());
    }

    /// @inheritdoc IERC7802
    function crosschainBurn(address from, uint256 amount) external onlyRole(EXCHANGE_ROLE) whenNotPaused {
        _burnEarliest(from, amount);
        emit Transfer(from, address(0), amount);
        emit CrosschainBurn(from, amount, _msgSender());
    }

    /// @inheritdoc IPointsToken
    function crosschainMintLots(address to, Lot[] calldata lots) external onlyRole(EXCHANGE_ROLE) whenNotPaused {
        if (to == address(0)) revert ERC20InvalidReceiver(address(0));
        EpochLedger.Window memory window = _window();
        (uint256[6] memory movement, uint256 amount) = _toMovement(lots, window);
        uint256 increased = totalSupply() + amount;
        if (increased > _supplyCap()) revert SupplyCapExceeded(increased, _supplyCap());
        _mintLots(to, lots, movement, amount, window);
    }

    /// @inheritdoc IPointsToken
    function crosschainRestoreLots(address to, Lot[] calldata lots)
        external
        onlyRole(EXCHANGE_ROLE)
        whenNotPaused
        returns (Lot[] memory restored)
    {
        if (to == address(0)) revert ERC20InvalidReceiver(address(0));
        EpochLedger.Window memory window = _window();
        restored = _withoutExpired(lots, window);
        if (restored.length == 0) return restored;
        (uint256[6] memory movement, uint256 amount) = _toMovement(restored, window);
        _mintLots(to, restored, movement, amount, window);
    }

    /// @inheritdoc IPointsToken
    function crosschainBurnLots(address from, uint256 amount)
        external
        onlyRole(EXCHANGE_ROLE)
        whenNotPaused
        returns (Lot[] memory lots)
    {
        lots = _burnEarliest(from, amount);
        _logLots(from, address(0), lots);
        emit Transfer(from, address(0), amount);
        emit CrosschainBurn(from, amount, _msgSender());
    }

    /// @inheritdoc IPointsToken
    function moveToWallet(bytes32 memberKey, address wallet) external whenNotPaused {
        address account = _authorizeCustodian(memberKey);
        if (wallet == address(0)) revert ERC20InvalidReceiver(wallet);
        EpochLedger.Window memory window = _window();
        (uint256[6] memory movement, uint256 amount) = _takeAll(account, window);
        if (amount != 0) {
            _put(wallet, movement, window);
            emit Transfer(account, wallet, amount);
        }
        emit WalletLinked(account, wallet, amount);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(AccessControlDefaultAdminRules, IERC165)
        returns (bool)
    {
        return interfaceId == type(IPointsToken).interfaceId || interfaceId == type(IERC7818).interfaceId
            || interfaceId == type(IERC7802).interfaceId || interfaceId == type(IERC20).interfaceId
            || interfaceId == type(IERC20Metadata).interfaceId || interfaceId == type(IERC20Permit).interfaceId
            || super.supportsInterface(interfaceId);
    }

    function _burnEarliest(address from, uint256 amount) private returns (Lot[] memory lots) {
        if (amount == 0) revert InvalidAmount(amount);
        EpochLedger.Window memory window = _window();
        uint256[6] memory movement = _take(from, amount, window);
        _debitSupply(movement, window);
        return EpochLedger.toLots(movement, window);
    }

    /// @dev Mints lots that are live and within the cap where it applies.
    function _mintLots(
        address to,
        Lot[] memory lots,
        uint256[6] memory movement,
        uint256 amount,
        EpochLedger.Window memory window
    ) private {
        _creditSupply(movement, amount, window);
        _put(to, movement, window);
        _logLots(address(0), to, lots);
        emit Transfer(address(0), to, amount);
        emit CrosschainMint(to, amount, _msgSender());
    }

    /// @dev The lots that have not expired, in the same order.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _withoutExpired(Lot[] calldata lots, EpochLedger.Window memory window)
        private
        pure
        returns (Lot[] memory live)
    {
        live = new Lot[](lots.length);
        uint256 count = 0;
        for (uint256 i = 0; i < lots.length; ++i) {
            if (lots[i].epoch >= EpochLedger.firstLive(window)) live[count++] = lots[i];
        }
        // Shortens the array to what was filled; its memory was allocated above.
        assembly ("memory-safe") {
            mstore(live, count)
        }
    }

    /// @dev Checks that every lot is live and has points; a lot may be named more than once.
    function _toMovement(Lot[] memory lots, EpochLedger.Window memory window)
        private
        view
        returns (uint256[6] memory movement, uint256 amount)
    {
        for (uint256 i = 0; i < lots.length; ++i) {
            Lot memory lot = lots[i];
            _requireLive(address(0), lot.epoch, window.epoch);
            if (lot.amount == 0 || !EpochLedger.addLot(movement, lot.epoch, lot.amount, window.words)) {
                revert InvalidAmount(lot.amount);
            }
            amount += lot.amount;
        }
        if (amount == 0) revert InvalidAmount(amount);
    }

    // slither-disable-end timestamp
}
