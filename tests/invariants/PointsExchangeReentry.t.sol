// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IExchange, LaneTerms, Quote, SwapRequest, SwapStatus} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {ProgrammeRegistry} from "../../contracts/programmes/ProgrammeRegistry.sol";
import {ExchangeRig} from "./ExchangeRig.sol";

/// @notice A programme's false token: it calls the exchange back while it is told to burn or mint, and calls any account a
/// managed one.
contract ReenteringPoints {
    IExchange private immutable _exchange;
    uint256 public totalSupply = 1_000_000;
    address private _claimed;
    bytes private _next;
    bytes public caught;

    constructor(IExchange exchange) {
        _exchange = exchange;
    }

    function callBackWith(bytes calldata data) external {
        _next = data;
    }

    function claim(address account) external {
        _claimed = account;
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

    function managedAccount(bytes32) external view returns (address) {
        return _claimed;
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId != 0xffffffff;
    }

    function currentEpoch() public view returns (uint256) {
        return block.timestamp / 1 days;
    }

    function _callBack() private {
        (, caught) = address(_exchange).call(_next);
    }
}

contract PointsExchangeReentry is ExchangeRig {
    address private constant MEMBER = address(0xa11ce);

    ReenteringPoints private _token;
    uint256 private _swaps;

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
        Quote memory none;
        bytes32 laneId = exchange.laneIdOf("odd", ids[0]);
        SwapRequest memory again = SwapRequest(laneId, address(0xb0b), 10, 10, "again", block.timestamp);
        _isRefused(abi.encodeCall(exchange.swap, (again, none)));
        _true(exchange.statusOf(exchange.swapIdOf(address(_token), "again")) == SwapStatus.None, "no second swap");
    }

    /// @notice Nor do a lane's terms change between a swap's burn or mint and its log.
    function test_laneChangesWithinASwap_areRefused() external {
        LaneTerms memory terms =
            LaneTerms(1, 2, 0, 0, 1, 1_000, uint48(block.timestamp + 1 days), 0, false, false);
        exchange.propose("odd", ids[0], ids[0], terms);
        bytes[4] memory changes = [
            abi.encodeCall(exchange.propose, ("odd", ids[0], "odd", terms)),
            abi.encodeCall(exchange.withdrawProposal, ("odd", ids[0], "odd")),
            abi.encodeCall(exchange.accept, ("odd", ids[0], "odd", terms)),
            abi.encodeCall(exchange.stop, ("odd", ids[0], "odd"))
        ];
        for (uint256 i = 0; i < changes.length; ++i) {
            _isRefused(changes[i]);
        }
    }

    /// @notice A false token cannot have somebody else's account taken for a managed one: it would use up the account's refs.
    function test_managedAccount_isNotAskedOfTheToken() external {
        Quote memory none;
        bytes32 key = keccak256("member");
        _token.claim(MEMBER);
        bytes32 laneId = exchange.laneIdOf("odd", ids[0]);
        SwapRequest memory request = SwapRequest(laneId, address(0xb0b), 10, 10, "ref", block.timestamp);
        (bytes32 swapId,) = exchange.swapManaged(key, request, none);
        bytes32 typeHash = tokens[0].MANAGED_ACCOUNT_TYPEHASH();
        address managed = address(uint160(uint256(keccak256(abi.encode(typeHash, address(_token), key)))));
        _true(swapId == exchange.swapIdOf(managed, "ref"), "the account of the key");
        _true(exchange.statusOf(exchange.swapIdOf(MEMBER, "ref")) == SwapStatus.None, "the other's ref is free");
    }

    /// @dev Calls back with `data` from within a burn, then from within a mint.
    function _isRefused(bytes memory data) private {
        _token.callBackWith(data);
        _callBackFrom(exchange.laneIdOf("odd", ids[0]));
        tokens[0].issue(MEMBER, 10, keccak256(abi.encode("points", ++_swaps)));
        _callBackFrom(exchange.laneIdOf(ids[0], "odd"));
    }

    function _callBackFrom(bytes32 laneId) private {
        Quote memory none;
        SwapRequest memory request =
            SwapRequest(laneId, address(0xb0b), 10, 10, keccak256(abi.encode(++_swaps)), block.timestamp);
        uint256 before = exchange.availableOut(laneId);
        vm.prank(MEMBER);
        exchange.swap(request, none);
        bytes4 refusal = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        _true(keccak256(_token.caught()) == keccak256(abi.encodePacked(refusal)), "refused");
        _equal(before - exchange.availableOut(laneId), 10, "counted once");
    }

    function _agree(bytes32 source, bytes32 destination, LaneTerms memory terms) private {
        exchange.propose(source, destination, source, terms);
        exchange.accept(source, destination, destination, terms);
    }
}
