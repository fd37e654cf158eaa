// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC7786Recipient} from "@openzeppelin/contracts/crosschain/ERC7786Recipient.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {CrosschainSwap, ICrosschainExchange, MessageKind} from "../../contracts/interfaces/ICrosschainExchange.sol";
import {IExchange, LaneTerms, SwapRequest, SwapStatus} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {CrosschainCase} from "./CrosschainCase.sol";
import {Log} from "./Vm.sol";

/// @notice How a swap comes back to its source, and what does not count as its coming back.
contract CrosschainRefundTest is CrosschainCase {
    function test_refund_restoresTheOriginalLots() external {
        address account = _account(0, 0);
        vm.prank(account);
        _homeToken(0).redeem(5_000, "less");
        vm.warp(block.timestamp + 3 days);
        _issue(0, 0, 500, "later");
        Lot[] memory before = _homeToken(0).lotsOf(account);
        CrosschainSwap memory swapped = _sent(_half(), 0);
        _true(swapped.lots.length == 2, "of two lots");
        _here().pause();
        _refundArrives(swapped);
        _here().unpause();
        _true(keccak256(abi.encode(before)) == keccak256(abi.encode(_homeToken(0).lotsOf(account))), "lots");
        _true(_here().statusOf(swapped.swapId) == SwapStatus.Refunded, "refunded");
        _refundFails(swapped, _error(IExchange.PendingMismatch.selector, swapped.swapId));
    }

    function test_refund_withoutWhatExpiredMeanwhile() external {
        address account = _account(0, 0);
        vm.prank(account);
        _homeToken(0).redeem(5_000, "less");
        vm.warp(block.timestamp + 3 days);
        _issue(0, 0, 500, "later");
        CrosschainSwap memory swapped = _sent(_half(), 0);
        // The first lot has expired, the second lives three days longer.
        vm.warp(block.timestamp + 7 days);
        vm.recordLogs();
        _refundArrives(swapped);
        Log[] memory logs = vm.getRecordedLogs();
        Log memory refunded = logs[logs.length - 1];
        _true(refunded.topics[0] == IExchange.SwapRefunded.selector, "logged");
        (Lot[] memory restored, uint256 expired) = abi.decode(refunded.data, (Lot[], uint256));
        _equal(restored.length, 1, "what lives");
        _equal(restored[0].epoch, swapped.lots[1].epoch, "the later lot");
        _equal(expired, swapped.lots[0].amount, "what does not");
        _equal(_homeToken(0).balanceOf(account), 500, "balance");
    }

    /// @notice A refund is of exactly what was sent: with any field changed it is of nothing.
    function test_refund_withAnyFieldChanged_isRefused() external {
        CrosschainSwap memory swapped = _sent(20);
        bytes memory mismatch = _error(IExchange.PendingMismatch.selector, swapped.swapId);
        bytes memory payload = abi.encode(MessageKind.Refund, swapped);
        uint256 words = payload.length / 32;
        // Words: kind, offset of the swap, then its twelve fields, the number of lots, and one lot.
        _equal(words, 2 + 12 + 1 + 2, "words");
        for (uint256 word = 2; word < words; ++word) {
            bytes memory changed = abi.encode(MessageKind.Refund, swapped);
            changed[32 * word + 31] ^= 0x01;
            bytes memory refusal = mismatch;
            if (word == 2) refusal = _error(IExchange.PendingMismatch.selector, swapped.swapId ^ bytes32(uint256(1)));
            if (word == 3) {
                bytes32 other = swapped.laneId ^ bytes32(uint256(1));
                refusal = _error(ICrosschainExchange.WrongRoute.selector, other, CHAINS[1]);
            }
            vm.expectRevert(refusal);
            _arrives(0, changed);
        }
        vm.expectRevert(mismatch);
        _arrives(0, bytes.concat(payload, hex"00"));
        _refundArrives(swapped);
    }

    function test_payloadOfAnotherForm_isRefused() external {
        CrosschainSwap memory swapped = _sent(20);
        for (uint256 chain = 0; chain < 2; ++chain) {
            bytes memory payload = abi.encode(MessageKind(1 - chain), swapped);
            payload[63] = 0x60;
            vm.expectRevert(_selector(ICrosschainExchange.InvalidMessage.selector));
            _arrives(chain, payload);
            payload = abi.encode(MessageKind(1 - chain), swapped);
            payload[31] = 0x02;
            _fails(chain, payload);
            payload[0] = 0x01;
            _fails(chain, payload);
            _fails(chain, "");
            _fails(chain, abi.encode(MessageKind(1 - chain)));
        }
    }

    function test_refund_ofAMintedSwap_isBoundedByTheCap() external {
        LaneTerms memory terms = _terms();
        terms.dailyCapOut = 1_000;
        _change(0, terms);
        CrosschainSwap memory first = _sent(1_200);
        vm.warp(block.timestamp + 30 hours);
        CrosschainSwap memory second = _sent(800);
        CrosschainSwap memory third = _sent(10);
        _refundArrives(first);
        _refundArrives(second);
        bytes memory refusal = abi.encodeWithSelector(ICrosschainExchange.RefundCapExceeded.selector, _laneId(THERE), 1_000, 1_000);
        _refundFails(third, refusal);
        vm.warp(block.timestamp + 30 hours);
        _refundArrives(third);
    }

    /// @notice A cap that was lowered below a swap does not keep it: the first refund of a day passes.
    function test_refund_largerThanTheCap_passesAlone() external {
        CrosschainSwap memory first = _sent(2_000);
        CrosschainSwap memory second = _sent(2_000);
        LaneTerms memory terms = _terms();
        terms.dailyCapOut = 0;
        _change(0, terms);
        _refundArrives(first);
        bytes memory refusal =
            abi.encodeWithSelector(ICrosschainExchange.RefundCapExceeded.selector, _laneId(THERE), 1_000, 0);
        _refundFails(second, refusal);
        vm.warp(block.timestamp + 24 hours - 1);
        _refundFails(second, refusal);
        vm.warp(block.timestamp + 6 hours + 1);
        _refundArrives(second);
    }

    /// @notice Small refunds that somebody sees to each day do not keep a large one from coming back: it passes while the cap is
    /// not reached, however far it goes beyond.
    function test_refund_asLargeAsTheCap_passesAfterSmallOnes() external {
        CrosschainSwap memory large = _sent(6_000);
        vm.warp(block.timestamp + 30 hours);
        CrosschainSwap memory dust = _sent(10);
        _refundArrives(dust);
        CrosschainSwap memory more = _sent(10);
        _refundArrives(large);
        _equal(_homeToken(0).balanceOf(_account(0, 0)), 9_990, "all but one came back");
        bytes memory refusal =
            abi.encodeWithSelector(ICrosschainExchange.RefundCapExceeded.selector, _laneId(THERE), 3_005, 3_000);
        _refundFails(more, refusal);
    }

    /// @notice Refunds beyond the largest cap there is are counted as that much.
    function test_refund_beyondTheLargestCap_isCounted() external {
        uint48 most = (1 << 44) - 1;
        LaneTerms memory terms = _terms();
        terms.dailyCapOut = most;
        _change(0, terms);
        _issue(0, 0, uint256(most) * 2, "many");
        CrosschainSwap memory all = _sent(uint256(most) * 2);
        vm.warp(block.timestamp + 30 hours);
        CrosschainSwap memory small = _sent(10);
        CrosschainSwap memory late = _sent(10);
        _refundArrives(small);
        _refundArrives(all);
        bytes memory refusal =
            abi.encodeWithSelector(ICrosschainExchange.RefundCapExceeded.selector, _laneId(THERE), most, most);
        _refundFails(late, refusal);
        vm.warp(block.timestamp + 30 hours);
        _refundArrives(late);
    }

    function test_refund_whileTheTokenIsPaused_waits() external {
        CrosschainSwap memory swapped = _sent(20);
        _homeToken(0).pause();
        _refundFails(swapped, _selector(Pausable.EnforcedPause.selector));
        _homeToken(0).unpause();
        _refundArrives(swapped);
    }

    function test_message_fromWhoIsNoCounterpart_isRefused() external {
        CrosschainSwap memory swapped = _sent(20);
        bytes memory payload = abi.encode(MessageKind.Mint, swapped);
        bytes memory sender = InteroperableAddress.formatEvmV1(CHAINS[0], address(_here()));
        bytes4 refusal = ERC7786Recipient.ERC7786RecipientUnauthorizedGateway.selector;
        _on(1);
        vm.expectRevert(abi.encodeWithSelector(refusal, address(this), sender));
        _far().receiveMessage("id", sender, payload);
        bytes[4] memory others = [
            InteroperableAddress.formatEvmV1(CHAINS[0], address(this)),
            InteroperableAddress.formatEvmV1(CHAINS[1], address(_here())),
            InteroperableAddress.formatEvmV1(address(_here())),
            bytes.concat(sender, hex"00")
        ];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(refusal, address(gateways[1]), others[i]));
            gateways[1].relay(bytes32(i), others[i], address(_far()), payload);
            vm.prank(address(0));
            vm.expectRevert(abi.encodeWithSelector(refusal, address(0), others[i]));
            _far().receiveMessage("id", others[i], payload);
        }
    }

    /// @notice Another linked chain can neither mint nor refund nor use up the numbers of a lane that is not its own.
    function test_message_ofAnotherChainsLane_isRefused() external {
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            _sides[chain].exchange.link(7, address(gateways[chain]), address(0x777));
        }
        CrosschainSwap memory swapped = _sent(20);
        bytes memory sender = InteroperableAddress.formatEvmV1(7, address(0x777));
        bytes memory refusal = _error(ICrosschainExchange.WrongRoute.selector, _laneId(THERE), 7);
        bytes memory mint = abi.encode(MessageKind.Mint, swapped);
        bytes memory refund = abi.encode(MessageKind.Refund, swapped);
        _on(1);
        vm.expectRevert(refusal);
        gateways[1].relay("7", sender, address(_far()), mint);
        _on(0);
        vm.expectRevert(refusal);
        gateways[0].relay("7", sender, address(_here()), refund);
        // Nor of a lane that is not known here yet: it is refused, to where it came from.
        CrosschainSwap memory early = _sent(20);
        early.laneId = _laneId(2);
        early.number = 1;
        _on(1);
        gateways[1].relay("77", sender, address(_far()), abi.encode(MessageKind.Mint, early));
        _agree(1, 2, _terms());
        _true(_far().outcomeOf(_laneId(2), 1) == SwapStatus.None, "its number is free");
        _mintArrives(early);
        _true(_far().outcomeOf(_laneId(2), 1) == SwapStatus.Completed, "and is used by who has it");
        // At its source a lane brings no points in.
        _on(0);
        refusal = _error(ICrosschainExchange.WrongRoute.selector, _laneId(THERE), CHAINS[1]);
        vm.expectRevert(refusal);
        _arrives(0, mint);
    }

    function test_message_withMoney_isRefused() external {
        CrosschainSwap memory swapped = _sent(20);
        bytes memory sender = InteroperableAddress.formatEvmV1(CHAINS[0], address(_here()));
        _on(1);
        vm.deal(address(gateways[1]), 1);
        vm.prank(address(gateways[1]));
        vm.expectRevert(_selector(ICrosschainExchange.InvalidMessage.selector));
        _far().receiveMessage{value: 1}("id", sender, abi.encode(MessageKind.Mint, swapped));
    }

    /// @dev A swap of all points of the wallet, 5,500 in two lots after what is redeemed of the first.
    function _half() private returns (SwapRequest memory) {
        return _request(5_500);
    }

    function _fails(uint256 chain, bytes memory payload) private {
        _on(chain);
        bytes memory sender =
            InteroperableAddress.formatEvmV1(CHAINS[1 - chain], address(_sides[1 - chain].exchange));
        vm.prank(address(gateways[chain]));
        (bool taken,) = address(_sides[chain].exchange)
            .call(abi.encodeCall(ERC7786Recipient.receiveMessage, ("id", sender, payload)));
        _true(!taken, "malformed");
    }
}
