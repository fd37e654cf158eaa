// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {CrosschainSwap, ICrosschainExchange} from "../../contracts/interfaces/ICrosschainExchange.sol";
import {IExchange, LaneTerms, SwapRequest} from "../../contracts/interfaces/IExchange.sol";
import {ChainAddress} from "../../contracts/libraries/ChainAddress.sol";
import {CrosschainCase} from "./CrosschainCase.sol";
import {Log} from "./Vm.sol";

/// @notice Homes, links, lanes and what a swap must be before it leaves.
contract CrosschainControlTest is CrosschainCase {
    address private constant STRANGER = address(0x57a);

    function test_declareHome_once_byTheProgramme_elsewhere() external {
        _on(0);
        _true(_here().homeOf(IDS[0]) == CHAINS[0] && _here().homeOf(IDS[1]) == CHAINS[1], "homes");
        _true(_here().homeOf("new") == CHAINS[0], "at home here when not declared");
        bytes32 programme = IDS[2];
        bytes4 invalid = ICrosschainExchange.InvalidHome.selector;
        vm.expectRevert(_error(invalid, programme, 0));
        _here().declareHome(programme, 0);
        vm.expectRevert(_error(invalid, programme, CHAINS[0]));
        _here().declareHome(programme, CHAINS[0]);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IExchange.NotAuthorized.selector, programme, STRANGER));
        _here().declareHome(programme, 7);
        vm.expectRevert(_error(IExchange.ProgrammeNotActive.selector, "none"));
        _here().declareHome("none", 7);
        vm.recordLogs();
        _here().declareHome(programme, 7);
        Log[] memory logs = vm.getRecordedLogs();
        _true(logs[0].topics[0] == ICrosschainExchange.HomeDeclared.selector, "logged");
        _true(logs[0].topics[1] == programme && abi.decode(logs[0].data, (uint256)) == 7, "what");
        vm.expectRevert(_error(ICrosschainExchange.HomeAlreadyDeclared.selector, programme, 7));
        _here().declareHome(programme, 8);
    }

    /// @notice Whoever has agreed to a lane stays where it was: the lane's id, and what is under way on it, hang on it.
    function test_home_isFixedByTheFirstAgreement_ofItsOwn() external {
        _on(0);
        vm.expectRevert(_error(ICrosschainExchange.HomeAlreadyDeclared.selector, IDS[0], CHAINS[0]));
        _here().declareHome(IDS[0], 7);
        // Another's proposal fixes nothing.
        _here().propose(IDS[1], IDS[2], IDS[1], _terms());
        bytes32 laneId = _here().laneIdOf(IDS[1], IDS[2]);
        _here().declareHome(IDS[2], 7);
        vm.expectRevert(_error(ICrosschainExchange.NotCrosschain.selector, IDS[1], uint256(IDS[2])));
        _here().accept(IDS[1], IDS[2], IDS[2], _terms());
        _true(!_here().laneOf(laneId).open, "the lane under the old id does not open");
    }

    function test_laneId_namesBothChains() external {
        for (uint256 lane = 0; lane < LANES; ++lane) {
            for (uint256 chain = 0; chain < 2; ++chain) {
                _on(chain);
                bytes32 laneId = _sides[chain].exchange.laneIdOf(IDS[_sourceOf(lane)], IDS[_destinationOf(lane)]);
                _true(laneId == _laneId(lane), "one id on both chains");
            }
        }
    }

    function test_lane_needsExactlyOneSideAtHome_andIsNotPosted() external {
        _on(0);
        bytes4 refusal = ICrosschainExchange.NotCrosschain.selector;
        vm.expectRevert(_error(refusal, IDS[0], uint256(IDS[2])));
        _here().propose(IDS[0], IDS[2], IDS[0], _terms());
        _on(1);
        vm.expectRevert(_error(refusal, IDS[0], uint256(IDS[2])));
        _far().propose(IDS[0], IDS[2], IDS[0], _terms());
        LaneTerms memory terms = _terms();
        terms.posted = true;
        vm.expectRevert(abi.encodeWithSelector(IExchange.InvalidLaneTerms.selector, terms));
        _far().propose(IDS[0], IDS[1], IDS[0], terms);
    }

    function test_link_onceForEachChain_byTheAdmin() external {
        _on(0);
        address gateway = address(gateways[0]);
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, _here().DEFAULT_ADMIN_ROLE()
        );
        vm.prank(STRANGER);
        vm.expectRevert(refusal);
        _here().link(7, gateway, address(1));
        vm.expectRevert(_error(ICrosschainExchange.LinkAlreadyRegistered.selector, bytes32(CHAINS[1])));
        _here().link(CHAINS[1], gateway, address(1));
        _isInvalid(0, gateway, address(1));
        _isInvalid(CHAINS[0], gateway, address(1));
        _isInvalid(7, address(0), address(1));
        _isInvalid(7, STRANGER, address(1));
        _isInvalid(7, gateway, address(0));
        vm.recordLogs();
        _here().link(7, gateway, address(0x777));
        Log[] memory logs = vm.getRecordedLogs();
        _true(logs[0].topics[0] == ICrosschainExchange.LinkRegistered.selector, "logged");
        (address logged, bytes memory counterpart) = abi.decode(logs[0].data, (address, bytes));
        _true(logged == gateway, "gateway");
        _true(keccak256(counterpart) == keccak256(InteroperableAddress.formatEvmV1(7, address(0x777))), "whom");
        (address linked, address account) = _here().linkOf(7);
        _true(linked == gateway && account == address(0x777), "linked");
        (linked, account) = _here().linkOf(8);
        _true(linked == address(0) && account == address(0), "not linked");
    }

    function test_halt_byTheGuardian_ofAnyKnownLane() external {
        _on(1);
        bytes32 laneId = _laneId(THERE);
        bytes memory refusal = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, _far().GUARDIAN_ROLE()
        );
        vm.prank(STRANGER);
        vm.expectRevert(refusal);
        _far().halt(laneId);
        vm.expectRevert(_error(IExchange.LaneNotOpen.selector, "none"));
        _far().halt("none");
        _far().propose(IDS[0], IDS[1], IDS[0], _terms());
        vm.recordLogs();
        _far().halt(laneId);
        Log memory log = vm.getRecordedLogs()[0];
        _true(log.topics[0] == IExchange.LaneStopped.selector && log.topics[1] == laneId, "logged");
        _true(log.topics[2] == 0, "by no programme");
        _true(!_far().laneOf(laneId).open && _far().proposalOf(laneId, IDS[0]) == 0, "nothing is left of it");
    }

    function test_swap_leavesFromWhereItsSourceIs() external {
        SwapRequest memory request = _request(20);
        _on(1);
        vm.prank(_account(0, 0));
        vm.expectRevert(_error(ICrosschainExchange.NotCrosschain.selector, IDS[0], uint256(IDS[1])));
        _far().swap(request, _none());
    }

    function test_swap_toNobody_tooLate_orToAChainThatIsNotLinked_isRefused() external {
        SwapRequest memory request = _request(20);
        request.to = address(0);
        _isRefused(request, abi.encodeWithSelector(IExchange.InvalidReceiver.selector, address(0)));
        request = _request(20);
        request.deadline = block.timestamp + 7 days + 1;
        _isRefused(
            request,
            abi.encodeWithSelector(
                ICrosschainExchange.DeadlineTooFar.selector, request.deadline, block.timestamp + 7 days
            )
        );
        request.deadline = block.timestamp - 1;
        _isRefused(request, abi.encodeWithSelector(IExchange.SwapExpired.selector, request.deadline));
        request.deadline = block.timestamp + 7 days;
        request.minOut = 11;
        _isRefused(request, abi.encodeWithSelector(IExchange.InsufficientOutput.selector, 10, 11));
        request.minOut = 10;
        _sent(request, 0);
        request = _request(20);
        request.deadline = block.timestamp;
        _sent(request, 0);

        // A fourth programme, at home on a chain that nobody has linked.
        _on(0);
        _addProgramme(_sides[0], "fourth", 1 days, 9, false);
        _here().declareHome("fourth", 7);
        _here().propose(IDS[0], "fourth", IDS[0], _terms());
        _here().accept(IDS[0], "fourth", "fourth", _terms());
        request = _request(20);
        request.laneId = _here().laneIdOf(IDS[0], "fourth");
        _isRefused(request, abi.encodeWithSelector(ICrosschainExchange.NotLinked.selector, 7));
    }

    /// @notice A swap of any kind carries what it is: managed, and to the last point.
    function test_swapManaged_namesTheManagedAccount() external {
        _issue(0, 1, 100, "managed");
        CrosschainSwap memory swapped = _sent(_request(100), 1);
        _true(swapped.account == _account(0, 1), "the account of the key");
        _equal(_homeToken(0).balanceOf(swapped.account), 0, "all of it");
        _refundArrives(swapped);
        _equal(_homeToken(0).balanceOf(swapped.account), 100, "and back");
    }

    /// @notice OpenZeppelin's format, byte for byte.
    function test_chainAddress(uint256 chainId, address account, uint8 bits) external pure {
        chainId >>= bits;
        _true(
            keccak256(ChainAddress.format(chainId, account))
                == keccak256(InteroperableAddress.formatEvmV1(chainId, account)),
            "ERC-7930"
        );
    }

    function _isInvalid(uint256 chainId, address gateway, address counterpart) private {
        vm.expectRevert(
            abi.encodeWithSelector(ICrosschainExchange.InvalidLink.selector, chainId, gateway, counterpart)
        );
        _here().link(chainId, gateway, counterpart);
    }

    function _isRefused(SwapRequest memory request, bytes memory refusal) private {
        _on(0);
        vm.prank(_account(0, 0));
        vm.expectRevert(refusal);
        _here().swap(request, _none());
    }
}
