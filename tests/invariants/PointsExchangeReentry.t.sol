// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IPointsExchange, LaneTerms, Quote, SwapRequest, SwapStatus} from "../../contracts/interfaces/IPointsExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {ProgrammeRegistry} from "../../contracts/programmes/ProgrammeRegistry.sol";
import {ExchangeRig} from "./ExchangeRig.sol";

/// @notice A programme's token that calls the exchange back while it is told to burn or mint.
contract ReenteringPoints {
    IPointsExchange private immutable _exchange;
    uint256 public totalSupply = 1_000_000;
    SwapRequest private _next;
    bytes public caught;

    constructor(IPointsExchange exchange) {
        _exchange = exchange;
    }

    function callBackWith(SwapRequest calldata request) external {
        _next = request;
    }

    function crosschainBurnLots(address, uint256 amount) external returns (Lot[] memory lots) {
        _callBack();
        totalSupply -= amount;
        lots = new Lot[](1);
        lots[0] = Lot(currentEpoch(), amount);
    }

    function crosschainMint(address, uint256 amount) external {
        _callBack();
        totalSupply += amount;
    }

    function hasRole(bytes32, address) external pure returns (bool) {
        return true;
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId != 0xffffffff;
    }

    function currentEpoch() public view returns (uint256) {
        return block.timestamp / 1 days;
    }

    function _callBack() private {
        Quote memory none;
        try _exchange.swap(_next, none) {
            caught = "";
        } catch (bytes memory reason) {
            caught = reason;
        }
    }
}

contract PointsExchangeReentry is ExchangeRig {
    address private constant MEMBER = address(0xa11ce);

    ReenteringPoints private _token;

    function setUp() external {
        vm.warp(20_000 days);
        _token = new ReenteringPoints(exchange);
        ProgrammeRegistry registry = ProgrammeRegistry(exchange.registry());
        registry.register("odd", address(_token));
        LaneTerms memory terms =
            LaneTerms(1, 1, 0, 0, 1, 1_000, uint48(block.timestamp + 1 days), 0, false, false);
        _agree("odd", ids[0], terms);
        _agree(ids[0], "odd", terms);
    }

    /// @notice A second swap from within the burn or the mint of a first is refused; the first happens once.
    function test_swapWithinASwap_isRefused() external {
        _callBackFrom(exchange.laneIdOf("odd", ids[0]));
        tokens[0].issue(MEMBER, 10, "points");
        _callBackFrom(exchange.laneIdOf(ids[0], "odd"));
    }

    function _callBackFrom(bytes32 laneId) private {
        Quote memory none;
        SwapRequest memory request = SwapRequest(laneId, address(0xb0b), 10, 10, laneId, block.timestamp);
        SwapRequest memory again = SwapRequest(laneId, address(0xb0b), 10, 10, "again", block.timestamp);
        _token.callBackWith(again);
        uint256 before = exchange.availableOut(laneId);
        vm.prank(MEMBER);
        exchange.swap(request, none);
        bytes4 refusal = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        _true(keccak256(_token.caught()) == keccak256(abi.encodePacked(refusal)), "refused");
        _true(exchange.statusOf(exchange.swapIdOf(address(_token), "again")) == SwapStatus.None, "no second swap");
        _equal(before - exchange.availableOut(laneId), 10, "counted once");
    }

    function _agree(bytes32 source, bytes32 destination, LaneTerms memory terms) private {
        exchange.propose(source, destination, source, terms);
        exchange.accept(source, destination, destination, terms);
    }
}
