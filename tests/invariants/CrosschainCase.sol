// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {CrosschainExchange} from "../../contracts/exchange/CrosschainExchange.sol";
import {CrosschainSwap, MessageKind} from "../../contracts/interfaces/ICrosschainExchange.sol";
import {LaneTerms, Quote, SwapRequest} from "../../contracts/interfaces/IExchange.sol";
import {RelayedGateway} from "../../contracts/testing/RelayedGateway.sol";
import {CrosschainRig} from "./CrosschainRig.sol";
import {Log} from "./Vm.sol";

/// @notice Two chains joined by gateways that hand over whatever they are given: so that a test can say what arrives. Lane 0
/// goes from the first chain to the second at one point for two.
abstract contract CrosschainCase is CrosschainRig {
    uint256 internal constant THERE = 0;
    uint256 internal constant COLLATERAL = 1 << 40;

    RelayedGateway[2] internal gateways;
    uint256 private _count;

    function setUp() public virtual {
        vm.warp(20_000 days + 12 hours);
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            gateways[chain] = new RelayedGateway();
        }
        _setUpSides([address(gateways[0]), address(gateways[1])], COLLATERAL);
        _agree(0, THERE, _terms());
        _agree(1, THERE, _terms());
        _issue(0, 0, 10_000, "points");
    }

    function _terms() internal view returns (LaneTerms memory) {
        return LaneTerms(1, 2, 0, 1_000, 10, 3_000, uint48(block.timestamp + 300 days), 1_000_000, false, false);
    }

    /// @dev Stops a lane on a chain and agrees to these terms.
    function _change(uint256 chain, LaneTerms memory terms) internal {
        _on(chain);
        _sides[chain].exchange.stop(IDS[0], IDS[1], IDS[1]);
        _agree(chain, THERE, terms);
    }

    function _request(uint256 maxIn) internal returns (SwapRequest memory) {
        return SwapRequest(_laneId(THERE), address(0xb0b), maxIn, 1, bytes32(++_count), block.timestamp + 1 days);
    }

    /// @dev A swap on its way.
    function _sent(uint256 maxIn) internal returns (CrosschainSwap memory) {
        return _sent(_request(maxIn), 0);
    }

    function _sent(SwapRequest memory request, uint256 member) internal returns (CrosschainSwap memory swapped) {
        vm.recordLogs();
        _swap(THERE, member, request);
        (, bytes memory payload) = _message();
        MessageKind kind;
        (kind, swapped) = abi.decode(payload, (MessageKind, CrosschainSwap));
        _true(kind == MessageKind.Mint, "it asks to mint");
    }

    /// @dev The message that was logged last: its recipient and payload.
    function _message() internal returns (bytes memory recipient, bytes memory payload) {
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = logs.length; i > 0; --i) {
            if (logs[i - 1].topics[0] != IERC7786GatewaySource.MessageSent.selector) continue;
            (, recipient, payload,,) = abi.decode(logs[i - 1].data, (bytes, bytes, bytes, uint256, bytes[]));
            return (recipient, payload);
        }
        revert Untrue("a message was sent");
    }

    /// @dev Goes to a chain and hands over a payload there as if the other chain's exchange had sent it.
    function _arrives(uint256 chain, bytes memory payload) internal {
        _on(chain);
        bytes memory sender =
            InteroperableAddress.formatEvmV1(CHAINS[1 - chain], address(_sides[1 - chain].exchange));
        gateways[chain].relay(bytes32(++_count), sender, address(_sides[chain].exchange), payload);
    }

    function _mintArrives(CrosschainSwap memory swapped) internal {
        _arrives(1, abi.encode(MessageKind.Mint, swapped));
    }

    function _refundArrives(CrosschainSwap memory swapped) internal {
        _arrives(0, abi.encode(MessageKind.Refund, swapped));
    }

    /// @dev The mint message arrives and must fail with this error.
    function _mintFails(CrosschainSwap memory swapped, bytes memory refusal) internal {
        _on(1);
        vm.expectRevert(refusal);
        _mintArrives(swapped);
    }

    function _refundFails(CrosschainSwap memory swapped, bytes memory refusal) internal {
        _on(0);
        vm.expectRevert(refusal);
        _refundArrives(swapped);
    }

    function _here() internal view returns (CrosschainExchange) {
        return _sides[0].exchange;
    }

    function _far() internal view returns (CrosschainExchange) {
        return _sides[1].exchange;
    }

    function _none() internal pure returns (Quote memory none) {}

    function _selector(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function _error(bytes4 selector, bytes32 first) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, first);
    }

    function _error(bytes4 selector, bytes32 first, uint256 second) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, first, second);
    }
}
