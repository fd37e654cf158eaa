// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7802} from "@openzeppelin/contracts/interfaces/draft-IERC7802.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IERC7818} from "../interfaces/IERC7818.sol";
import {IExchange, Price, SwapStatus} from "../interfaces/IExchange.sol";
import {IPointsToken, Lot} from "../interfaces/IPointsToken.sol";
import {Calendar, ExpiryCarrying} from "../libraries/ExpiryCarrying.sol";
import {ExchangeQuotes} from "./ExchangeQuotes.sol";
import {OpenLane} from "./ExchangeLanes.sol";

/// @notice All that a destination has to know of a burn, wherever it happened.
/// @param swapId Id of the swap.
/// @param to Who gets points.
/// @param pointsOut How many, bonus included.
/// @param settlement What the source owes for them.
/// @param lots The lots that were burnt, earliest first.
/// @param calendar How those lots expire; zero on lanes that do not carry expiry.
struct BurntSwap {
    bytes32 swapId;
    address to;
    uint256 pointsOut;
    uint256 settlement;
    Lot[] lots;
    Calendar calendar;
}

/// @title The two legs of a swap, and the mark of one that waits between them.
/// @dev The mint leg sees the burn through a BurntSwap alone, and the lane as its own side keeps it.
abstract contract ExchangeLegs is ExchangeQuotes {
    IClearingHouse internal immutable _clearingHouse;

    /// @dev `status:8` in the lowest byte; above it, while pending, the upper 248 bits of the hash of what it waits with.
    mapping(bytes32 swapId => uint256 word) private _swaps;

    constructor(address clearingHouse_) {
        _clearingHouse = IClearingHouse(clearingHouse_);
    }

    /// @inheritdoc IExchange
    function clearingHouse() external view returns (address) {
        return address(_clearingHouse);
    }

    /// @inheritdoc IExchange
    function swapIdOf(address account, bytes32 ref) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), account, ref));
    }

    /// @inheritdoc IExchange
    function statusOf(bytes32 swapId) public view returns (SwapStatus) {
        return SwapStatus(uint8(_swaps[swapId]));
    }

    /// @dev Takes the points and logs them. The swap must have been marked as begun.
    // slither-disable-next-line reentrancy-events // the lots are known after the call; entry points are nonReentrant
    function _burnLeg(
        OpenLane memory lane,
        address sourceToken,
        address account,
        bytes32 ref,
        bytes32 quoteId,
        Price memory priced,
        BurntSwap memory burnt
    ) internal {
        burnt.lots = IPointsToken(sourceToken).crosschainBurnLots(account, priced.pointsIn);
        uint256 taken = ExpiryCarrying.total(burnt.lots);
        if (taken != priced.pointsIn) revert TokenMismatch(sourceToken, priced.pointsIn, taken);
        if (lane.terms.carryExpiry) burnt.calendar = _calendarOf(sourceToken);
        emit SwapBurnt(burnt.swapId, lane.id, account, ref, lane.version, quoteId, priced, burnt.lots);
    }

    /// @dev Gives the points, counts them against the lane's cap and books the debt.
    // slither-disable-next-line reentrancy-events // logged once it has happened; entry points are nonReentrant
    function _mintLeg(OpenLane memory lane, address destinationToken, BurntSwap memory burnt) internal {
        _countOut(lane, burnt.pointsOut);
        if (burnt.settlement != 0) {
            _clearingHouse.book(lane.source, lane.destination, burnt.settlement, burnt.swapId);
        }
        uint256 supply = _supplyOf(destinationToken);
        Lot[] memory lots = lane.terms.carryExpiry
            ? _mintCarried(destinationToken, burnt)
            : _mintFresh(destinationToken, burnt.to, burnt.pointsOut);
        uint256 minted = _supplyOf(destinationToken) - supply;
        if (minted != burnt.pointsOut) revert TokenMismatch(destinationToken, burnt.pointsOut, minted);
        emit SwapMinted(burnt.swapId, lane.id, burnt.to, burnt.pointsOut, lots);
    }

    /// @dev Gives burnt lots back, those that have not expired meanwhile.
    function _restoreLots(address sourceToken, address account, Lot[] memory lots)
        internal
        returns (Lot[] memory restored, uint256 expiredAmount)
    {
        restored = IPointsToken(sourceToken).crosschainRestoreLots(account, lots);
        expiredAmount = ExpiryCarrying.total(lots) - ExpiryCarrying.total(restored);
    }

    /// @dev The id of a swap, which must be new. Checked before anything else, so that whoever sends a swap again learns that it
    /// was carried out rather than why it could not be now.
    function _freeSwapId(address account, bytes32 ref) internal view returns (bytes32 swapId) {
        swapId = swapIdOf(account, ref);
        if (_swaps[swapId] != 0) revert SwapRefUsed(ref, account);
    }

    function _setStatus(bytes32 swapId, SwapStatus status) internal {
        _swaps[swapId] = uint256(status);
    }

    /// @dev Marks a swap as pending with what has this hash.
    function _setPending(bytes32 swapId, bytes32 pendingHash) internal {
        _swaps[swapId] = _pendingWord(pendingHash);
    }

    /// @dev Reverts unless the swap is pending and waits with what has this hash.
    function _requirePending(bytes32 swapId, bytes32 pendingHash) internal view {
        if (_swaps[swapId] != _pendingWord(pendingHash)) revert PendingMismatch(swapId);
    }

    function _calendarOf(address token) internal view returns (Calendar memory) {
        return Calendar(IERC7818(token).epochLength(), IERC7818(token).validityDuration());
    }

    function _supplyOf(address token) private view returns (uint256) {
        return IERC20(token).totalSupply();
    }

    function _mintCarried(address token, BurntSwap memory burnt) private returns (Lot[] memory lots) {
        lots = ExpiryCarrying.carry(
            burnt.lots, burnt.calendar, _calendarOf(token), burnt.pointsOut, block.timestamp
        );
        IPointsToken(token).crosschainMintLots(burnt.to, lots);
    }

    function _mintFresh(address token, address to, uint256 pointsOut) private returns (Lot[] memory lots) {
        lots = new Lot[](1);
        lots[0] = Lot(IERC7818(token).currentEpoch(), pointsOut);
        IERC7802(token).crosschainMint(to, pointsOut);
    }

    function _pendingWord(bytes32 pendingHash) private pure returns (uint256) {
        return (uint256(pendingHash) & ~uint256(0xff)) | uint256(SwapStatus.Pending);
    }
}
