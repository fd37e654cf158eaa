// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Batch, IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {LaneTerms, Quote, SwapRequest, SwapStatus} from "../../contracts/interfaces/IExchange.sol";
import {LoopbackGateway} from "../../contracts/testing/LoopbackGateway.sol";
import {CrosschainPost} from "./CrosschainPost.sol";
import {CrosschainRig} from "./CrosschainRig.sol";
import {Checked} from "./Vm.sol";

/// @notice The gateway that delivers at once, with the chain id of the other chain while it does.
contract SwitchingGateway is LoopbackGateway, Checked {
    function _handOver(uint256 chainId, address to, bytes memory sender, bytes calldata payload) internal override {
        uint256 here = block.chainid;
        vm.chainId(chainId);
        super._handOver(chainId, to, sender, payload);
        vm.chainId(here);
    }
}

/// @notice Another ERC-7786 gateway than ours: one that is done when `sendMessage` returns.
contract CrosschainLoopbackTest is CrosschainRig {
    function setUp() external {
        vm.warp(20_000 days + 12 hours);
        SwitchingGateway gateway = new SwitchingGateway();
        _setUpSides([address(gateway), address(gateway)], 1 << 40);
        LaneTerms memory terms =
            LaneTerms(1, 2, 0, 0, 1, 3_000, uint48(block.timestamp + 9 days), 1_000_000, true, false);
        _agree(0, 0, terms);
        _agree(1, 0, terms);
        _issue(0, 0, 1_000, "points");
    }

    function test_swap_isMintedAtOnce() external {
        bytes32 swapId = _swap(0, 0, _request("ref"));
        _equal(_homeToken(1).balanceOf(address(0xb0b)), 50, "minted");
        _equal(_homeToken(0).balanceOf(_account(0, 0)), 900, "burnt");
        _true(_homeExchange(0).statusOf(swapId) == SwapStatus.Pending, "sent");
        _true(_homeExchange(1).outcomeOf(_laneId(0), 1) == SwapStatus.Completed, "minted");
    }

    /// @notice A refusal would have to come back into the swap that is going on: so there is none, and no burn.
    function test_swapThatIsRefused_doesNotHappen() external {
        _on(1);
        _homeExchange(1).halt(_laneId(0));
        SwapRequest memory request = _request("ref");
        Quote memory none;
        _on(0);
        vm.prank(_account(0, 0));
        vm.expectRevert(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        _sides[0].exchange.swap(request, none);
        vm.chainId(CHAINS[0]);
        _equal(_homeToken(0).balanceOf(_account(0, 0)), 1_000, "nothing burnt");
    }

    function _request(bytes32 ref) private view returns (SwapRequest memory) {
        return SwapRequest(_laneId(0), address(0xb0b), 100, 50, ref, block.timestamp + 1 hours);
    }
}

/// @notice What is attested is what is minted: every word of a swap is under the signatures.
contract CrosschainAttestedTest is CrosschainPost {
    function setUp() external {
        vm.warp(20_000 days + 12 hours);
        _setUpPost(1 << 40);
        LaneTerms memory terms =
            LaneTerms(1, 2, 0, 0, 1, 3_000, uint48(block.timestamp + 9 days), 1_000_000, true, false);
        _agree(0, 0, terms);
        _agree(1, 0, terms);
        _issue(0, 0, 1_000, "points");
        vm.recordLogs();
        _swap(0, 0, SwapRequest(_laneId(0), address(0xb0b), 100, 50, "ref", block.timestamp + 1 hours));
        _collect();
    }

    function test_mint_withAnyWordChanged_isRefusedByTheGateway() external {
        _flipped(0);
        _deliverFirst(0);
        _equal(_homeToken(1).balanceOf(address(0xb0b)), 50, "minted as it was sent");
    }

    function test_refund_withAnyWordChanged_isRefusedByTheGateway() external {
        vm.warp(block.timestamp + 2 hours);
        vm.recordLogs();
        _deliverFirst(0);
        _equal(_collect(), 1, "sent back");
        _flipped(1);
        _deliverFirst(1);
        _equal(_homeToken(0).balanceOf(_account(0, 0)), 1_000, "restored as it was sent");
    }

    function _deliverFirst(uint256 index) private {
        uint256[] memory picked = new uint256[](1);
        picked[0] = index;
        _true(_deliver(_posted[index].from, picked), "delivered");
    }

    /// @dev Delivers a message with one bit of one word changed, under the signatures for the true one.
    function _flipped(uint256 index) private {
        Posted storage posted = _posted[index];
        uint256 to = 1 - posted.from;
        Batch memory batch = Batch(CHAINS[posted.from], address(gateways[posted.from]), block.number, posted.id);
        _on(to);
        bytes[] memory signatures = _signatures(gateways[to].batchDigest(batch));
        uint256 words = posted.message.payload.length / 32;
        _equal(words, 17, "kind, offset, twelve fields, and a lot in an array");
        for (uint256 word = 0; word < words; ++word) {
            Message[] memory messages = new Message[](1);
            messages[0] = posted.message;
            messages[0].payload[32 * word + 31] ^= 0x01;
            vm.expectRevert(abi.encodeWithSelector(IAttestedGateway.InvalidProof.selector));
            gateways[to].deliver(batch, messages, new bytes32[](0), new bool[](0), signatures);
        }
    }
}
