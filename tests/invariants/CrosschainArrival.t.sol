// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {
    CrosschainSwap, ICrosschainExchange, MessageKind, RefusalReason
} from "../../contracts/interfaces/ICrosschainExchange.sol";
import {IExchange, LaneTerms, SwapRequest, SwapStatus} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {CrosschainCase} from "./CrosschainCase.sol";
import {Log} from "./Vm.sol";

/// @notice What becomes of a swap at its destination: minted, waiting or refused, and nothing twice.
contract CrosschainArrivalTest is CrosschainCase {
    function test_mint_happensOnceAndBooksTheDebtThere() external {
        CrosschainSwap memory swapped = _sent(1_001);
        _equal(swapped.epochLength, 1 days, "the calendar, though nothing carries it");
        _equal(swapped.pointsIn, 1_000, "only as many points in as the points out need");
        _equal(_homeToken(0).totalSupply(), 9_000, "burnt");
        _true(_here().statusOf(swapped.swapId) == SwapStatus.Pending, "sent");
        _true(_far().outcomeOf(_laneId(THERE), 1) == SwapStatus.None, "not there yet");
        _mintArrives(swapped);
        _equal(_homeToken(1).balanceOf(address(0xb0b)), 500, "minted");
        _true(_far().outcomeOf(_laneId(THERE), 1) == SwapStatus.Completed, "minted once");
        (int256 owed,) = _sides[1].house.owedOf(IDS[0], IDS[1]);
        _equal(uint256(owed), 500, "the debt, where the mint is");
        (owed,) = _sides[0].house.owedOf(IDS[0], IDS[1]);
        _equal(uint256(owed), 0, "and only there");
        _mintFails(swapped, _error(ICrosschainExchange.AlreadyArrived.selector, _laneId(THERE), 1));
        _equal(_here().sentCount(_laneId(THERE)), 1, "numbers are counted");
        _equal(_far().sentCount(_laneId(THERE)), 0, "at the source");
    }

    function test_numbers_haveNoGapsAndOutcomesOfTheirOwn() external {
        CrosschainSwap[] memory swaps = new CrosschainSwap[](3);
        for (uint256 i = 0; i < 3; ++i) {
            swaps[i] = _sent(20);
            _equal(swaps[i].number, i + 1, "number");
        }
        _mintArrives(swaps[2]);
        vm.warp(block.timestamp + 2 days);
        _mintArrives(swaps[0]);
        _true(_far().outcomeOf(_laneId(THERE), 1) == SwapStatus.Refunded, "the first, late");
        _true(_far().outcomeOf(_laneId(THERE), 2) == SwapStatus.None, "the second, on its way");
        _true(_far().outcomeOf(_laneId(THERE), 3) == SwapStatus.Completed, "the third, minted");
        // Further than one storage word.
        swaps[1].number = 129;
        _mintArrives(swaps[1]);
        _true(_far().outcomeOf(_laneId(THERE), 129) == SwapStatus.Refunded, "another word");
        _true(_far().outcomeOf(_laneId(THERE), 2) == SwapStatus.None, "the second, still");
    }

    function test_deadline_toTheSecond() external {
        CrosschainSwap memory onTime = _sent(20);
        CrosschainSwap memory late = _sent(20);
        vm.warp(onTime.deadline);
        _mintArrives(onTime);
        _true(_far().outcomeOf(_laneId(THERE), 1) == SwapStatus.Completed, "on time");
        vm.warp(late.deadline + 1);
        _isRefused(late, RefusalReason.DeadlinePast);
    }

    function test_laneStoppedHaltedOrNeverAgreed_isRefusedAtOnce() external {
        CrosschainSwap memory swapped = _sent(20);
        _on(1);
        _far().halt(_laneId(THERE));
        _isRefused(swapped, RefusalReason.LaneNotOpen);
        _agree(1, THERE, _terms());
        swapped = _sent(20);
        _on(1);
        _far().stop(IDS[0], IDS[1], IDS[1]);
        _isRefused(swapped, RefusalReason.LaneNotOpen);
        // Agreed at the source alone.
        _agree(0, 2, _terms());
        _issue(2, 0, 100, "months");
        vm.recordLogs();
        SwapRequest memory request = _request(20);
        request.laneId = _laneId(2);
        bytes32 swapId = _swap(2, 0, request);
        (, bytes memory payload) = _message();
        vm.recordLogs();
        _arrives(1, payload);
        (, payload) = _message();
        _true(_far().outcomeOf(_laneId(2), 1) == SwapStatus.None, "of a lane that nobody knows");
        _on(1);
        _far().propose(IDS[2], IDS[1], IDS[2], _terms());
        _true(_far().outcomeOf(_laneId(2), 1) == SwapStatus.Refunded, "known now");
        _arrives(0, payload);
        _true(_here().statusOf(swapId) == SwapStatus.Refunded, "it comes back");
        _equal(_homeToken(2).balanceOf(_account(2, 0)), 100, "whole");
    }

    function test_otherTerms_areRefusedAtOnce() external {
        LaneTerms memory terms = _terms();
        terms.rateDenominator = 3;
        _isRefusedWith(terms);
        terms = _terms();
        terms.feeBps = 1;
        _isRefusedWith(terms);
        terms = _terms();
        terms.minimumIn = 1_001;
        _isRefusedWith(terms);
        // More than one point in too many for the points out.
        terms = _terms();
        terms.rateNumerator = 2;
        _isRefusedWith(terms);
    }

    function test_pricesThatNoTermsGive_areRefused() external {
        CrosschainSwap memory swapped = _sent(1_000);
        swapped.bonusBps = 1_000;
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        // A tenth more is allowed, and gives 11 for 20; so would more than that.
        (swapped.bonusBps, swapped.pointsOut) = (1_001, 11);
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        (swapped.bonusBps, swapped.pointsOut) = (1_000, 11);
        _mintArrives(swapped);
        _equal(_homeToken(1).balanceOf(address(0xb0b)), 11, "the bonus of the lane");
        swapped = _sent(20);
        swapped.bonusBps = type(uint256).max;
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        swapped.pointsOut = 11;
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        swapped.pointsIn = 21;
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        (swapped.pointsIn, swapped.pointsOut) = (type(uint256).max, type(uint256).max / 2);
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        (swapped.pointsIn, swapped.pointsOut) = (1 << 48, 1 << 47);
        _isRefused(swapped, RefusalReason.PriceDiffers);
        LaneTerms memory terms = _terms();
        terms.minimumIn = 1;
        _change(1, terms);
        swapped = _sent(20);
        (swapped.pointsIn, swapped.pointsOut) = (0, 0);
        _isRefused(swapped, RefusalReason.PriceDiffers);
        swapped = _sent(20);
        (swapped.pointsIn, swapped.pointsOut) = (1, 0);
        _isRefused(swapped, RefusalReason.PriceDiffers);
        (terms.rateNumerator, terms.rateDenominator) = (2, 1);
        _change(1, terms);
        swapped = _sent(20);
        (swapped.pointsIn, swapped.pointsOut) = (type(uint48).max, 2 * uint256(type(uint48).max));
        _isRefused(swapped, RefusalReason.PriceDiffers);
    }

    function test_whatStandsInTheWay_waitsUntilTheDeadline() external {
        CrosschainSwap memory swapped = _sent(1_000);
        _on(1);
        PointsToken token = _homeToken(1);
        _far().pause();
        _mintFails(swapped, _selector(Pausable.EnforcedPause.selector));
        _far().unpause();
        token.pause();
        _mintFails(swapped, _selector(Pausable.EnforcedPause.selector));
        token.unpause();
        for (uint256 p = 0; p < 2; ++p) {
            _sides[1].registry.suspend(IDS[p]);
            _mintFails(swapped, _error(IExchange.ProgrammeNotActive.selector, IDS[p]));
            _sides[1].registry.resume(IDS[p]);
        }
        token.setSupplyCap(499);
        _mintFails(swapped, abi.encodeWithSignature("SupplyCapExceeded(uint256,uint256)", 500, 499));
        token.setSupplyCap(type(uint48).max);
        _sides[1].house.withdraw(IDS[0], address(this), COLLATERAL - 499);
        bytes memory tooMuch =
            abi.encodeWithSelector(IClearingHouse.DebitCapExceeded.selector, IDS[0], IDS[1], 500, 499);
        _mintFails(swapped, tooMuch);
        _true(_far().outcomeOf(_laneId(THERE), 1) == SwapStatus.None, "it waits");
        vm.warp(swapped.deadline + 1);
        _far().pause();
        _isRefused(swapped, RefusalReason.DeadlinePast);
        _far().unpause();
    }

    function test_capReachedThere_waits() external {
        CrosschainSwap memory first = _sent(4_000);
        CrosschainSwap memory second = _sent(2_000);
        _on(1);
        LaneTerms memory terms = _terms();
        terms.dailyCapOut = 2_500;
        _change(1, terms);
        _mintArrives(first);
        bytes memory refusal =
            abi.encodeWithSelector(IExchange.DailyCapExceeded.selector, _laneId(THERE), 1_000, 500);
        _mintFails(second, refusal);
        SwapRequest memory third = _request(10);
        _on(0);
        vm.prank(_account(0, 0));
        refusal = abi.encodeWithSelector(IExchange.DailyCapExceeded.selector, _laneId(THERE), 5, 0);
        vm.expectRevert(refusal);
        _here().swap(third, _none());
    }

    function test_carriedExpiry_isThatOfTheBurntLots() external {
        LaneTerms memory terms = _terms();
        terms.carryExpiry = true;
        _change(0, terms);
        _change(1, terms);
        CrosschainSwap memory swapped = _sent(1_000);
        _equal(swapped.epochLength, 1 days, "calendar of the source");
        _equal(swapped.validity, 9, "validity of the source");
        uint256 refused;
        (, refused) = _carried(0, 1, swapped.lots, 500);
        _equal(refused, 0, "can be carried");
        (Lot[] memory expected,) = _carried(0, 1, swapped.lots, 500);
        _mintArrives(swapped);
        Lot[] memory lots = _homeToken(1).lotsOf(address(0xb0b));
        _true(keccak256(abi.encode(lots)) == keccak256(abi.encode(expected)), "lots that expire no later");
    }

    function test_carriedExpiry_thatNoLotCanHave_waits() external {
        LaneTerms memory terms = _terms();
        terms.carryExpiry = true;
        _change(1, terms);
        CrosschainSwap memory swapped = _sent(1_000);
        swapped.lots[0].epoch -= 100;
        _mintFails(swapped, _error(IExchange.ExpiryNotCarriable.selector, bytes32(swapped.lots[0].epoch), 1_000));
    }

    function test_receiverThatCannotBe_waits() external {
        address[3] memory receivers = [address(0), address(_far()), address(_homeToken(1))];
        for (uint256 i = 0; i < 3; ++i) {
            CrosschainSwap memory swapped = _sent(20);
            swapped.to = receivers[i];
            _mintFails(swapped, abi.encodeWithSelector(IExchange.InvalidReceiver.selector, receivers[i]));
        }
    }

    function test_lotsThatDoNotAddUp_areNotMinted() external {
        CrosschainSwap memory swapped = _sent(20);
        swapped.lots[0].amount = 19;
        _mintFails(swapped, _selector(ICrosschainExchange.InvalidMessage.selector));
    }

    /// @dev New terms at the destination refuse a swap of 1,000 points under way.
    function _isRefusedWith(LaneTerms memory terms) private {
        CrosschainSwap memory swapped = _sent(1_000);
        _change(1, terms);
        _isRefused(swapped, RefusalReason.PriceDiffers);
        _change(1, _terms());
        vm.warp(block.timestamp + 2 days);
    }

    /// @dev Arrives, is refused for this reason and sent back as it came; nothing is minted.
    function _isRefused(CrosschainSwap memory swapped, RefusalReason reason) private {
        vm.recordLogs();
        uint256 supply = IERC20(_homeToken(1)).totalSupply();
        _mintArrives(swapped);
        Log[] memory logs = vm.getRecordedLogs();
        Log memory sent = logs[logs.length - 2];
        Log memory refused = logs[logs.length - 1];
        _true(refused.topics[0] == ICrosschainExchange.SwapRefused.selector, "logged");
        _true(refused.topics[1] == swapped.swapId && refused.topics[2] == swapped.laneId, "which");
        _true(refused.topics[3] == sent.topics[1], "with its message");
        _true(abi.decode(refused.data, (RefusalReason)) == reason, "why");
        (,, bytes memory payload,,) = abi.decode(sent.data, (bytes, bytes, bytes, uint256, bytes[]));
        _true(keccak256(payload) == keccak256(abi.encode(MessageKind.Refund, swapped)), "goes back as it came");
        _equal(IERC20(_homeToken(1)).totalSupply(), supply, "nothing is minted");
        _true(_far().outcomeOf(swapped.laneId, swapped.number) == SwapStatus.Refunded, "refused once");
        _mintFails(swapped, _error(ICrosschainExchange.AlreadyArrived.selector, swapped.laneId, swapped.number));
    }
}
