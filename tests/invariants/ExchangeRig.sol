// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {ClearingHouse} from "../../contracts/clearing/ClearingHouse.sol";
import {PointsExchange} from "../../contracts/exchange/PointsExchange.sol";
import {Quote, SwapRequest} from "../../contracts/interfaces/IExchange.sol";
import {Terms} from "../../contracts/interfaces/IPointsToken.sol";
import {ProgrammeRegistry} from "../../contracts/programmes/ProgrammeRegistry.sol";
import {TestDollar} from "../../contracts/testing/TestDollar.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {ExchangeModel} from "./ExchangeModel.sol";

/// @notice Three programmes with different calendars, a clearing house that stands in nobody's way, and the exchange. This
/// contract is everybody who has a role; members are two wallets and a managed account in each programme.
abstract contract ExchangeRig is ExchangeModel {
    uint256 internal constant WALLETS = 2;
    uint256 internal constant MEMBERS = 3;
    uint256 internal constant NOTICE = 2 days;
    uint256 private constant QUOTER_KEY = 0x9007e5;
    bytes32 internal constant MEMBER_KEY = keccak256("member");

    bytes32 private constant SWAP_TYPEHASH = keccak256(
        "Swap(address account,bytes32 laneId,address to,uint256 maxIn,uint256 minOut,bytes32 ref,bytes32 quoteId,uint256 deadline)"
    );
    bytes32 private constant QUOTE_TYPEHASH = keccak256(
        "Quote(bytes32 quoteId,bytes32 laneId,uint32 version,address account,uint48 maxIn,uint16 bonusBps,uint48 expiresAt)"
    );

    PointsExchange public immutable exchange;
    ClearingHouse public immutable house;
    PointsToken[] public tokens;
    bytes32[] public ids;
    mapping(uint256 programme => mapping(uint256 member => address account)) public accounts;

    constructor() {
        ProgrammeRegistry registry = new ProgrammeRegistry(address(this), 0);
        registry.grantRole(registry.REGISTRAR_ROLE(), address(this));
        TestDollar dollar = new TestDollar();
        house = new ClearingHouse(registry, IERC20(address(dollar)), 7 days, 2 days, address(this), 0);
        exchange = new PointsExchange(address(registry), address(house), NOTICE, address(this), 0);
        house.grantRole(house.EXCHANGE_ROLE(), address(exchange));
        exchange.grantRole(exchange.PAUSER_ROLE(), address(this));
        _addProgramme(registry, "days", 1 days, 9);
        _addProgramme(registry, "weeks", 7 days, 4);
        _addProgramme(registry, "months", 30 days, 2);
        dollar.mint(address(this), PROGRAMMES << 80);
        dollar.approve(address(house), PROGRAMMES << 80);
        for (uint256 p = 0; p < PROGRAMMES; ++p) {
            house.deposit(ids[p], 1 << 80);
        }
    }

    /// @inheritdoc ExchangeModel
    function laneIdOf(uint256 lane) public view override returns (bytes32) {
        return exchange.laneIdOf(ids[sourceOf(lane)], ids[destinationOf(lane)]);
    }

    function _addProgramme(ProgrammeRegistry registry, bytes32 id, uint48 epochLength, uint16 validity) private {
        Terms memory terms = Terms(epochLength, validity, 0, type(uint48).max, true);
        PointsToken token = new PointsToken("Exchanged Points", "EXC", terms, address(this), 0);
        token.grantRole(token.ISSUER_ROLE(), address(this));
        token.grantRole(token.CUSTODIAN_ROLE(), address(this));
        token.grantRole(token.PAUSER_ROLE(), address(this));
        token.grantRole(token.EXCHANGE_ROLE(), address(exchange));
        token.grantRole(exchange.LANE_ROLE(), address(this));
        token.grantRole(exchange.QUOTER_ROLE(), vm.addr(QUOTER_KEY));
        token.grantRole(house.TREASURER_ROLE(), address(this));
        registry.register(id, address(token));
        house.join(id);
        uint256 programme = tokens.length;
        for (uint256 member = 0; member < WALLETS; ++member) {
            accounts[programme][member] = vm.addr(_walletKey(member));
        }
        accounts[programme][WALLETS] = token.managedAccount(MEMBER_KEY);
        tokens.push(token);
        ids.push(id);
        _epochLengths.push(epochLength);
        _validities.push(validity);
    }

    /// @dev Sends an order the way `member` would: a wallet calls or signs, the custodian acts for the managed account.
    function _send(Order memory order, uint256 member, bool signed) internal returns (bytes32 swapId) {
        SwapRequest memory request = _requestOf(order);
        if (member == WALLETS) {
            (swapId,) = exchange.swapManaged(MEMBER_KEY, request, order.quote);
        } else if (signed) {
            bytes memory signature = _signOrder(order, _walletKey(member));
            (swapId,) = exchange.swapWithSignature(order.account, request, order.quote, signature);
        } else {
            vm.prank(order.account);
            (swapId,) = exchange.swap(request, order.quote);
        }
    }

    function _requestOf(Order memory order) internal view returns (SwapRequest memory) {
        return SwapRequest({
            laneId: laneIdOf(order.lane),
            to: order.to,
            maxIn: order.maxIn,
            minOut: order.minOut,
            ref: order.ref,
            deadline: order.deadline
        });
    }

    function _signQuote(Quote memory quote) internal view {
        bytes32 structHash = keccak256(
            abi.encode(
                QUOTE_TYPEHASH,
                quote.quoteId,
                quote.laneId,
                quote.version,
                quote.account,
                quote.maxIn,
                quote.bonusBps,
                quote.expiresAt
            )
        );
        quote.signer = vm.addr(QUOTER_KEY);
        quote.signature = _sign(QUOTER_KEY, structHash);
    }

    function _signOrder(Order memory order, uint256 key) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                SWAP_TYPEHASH,
                order.account,
                laneIdOf(order.lane),
                order.to,
                order.maxIn,
                order.minOut,
                order.ref,
                order.quote.quoteId,
                order.deadline
            )
        );
        return _sign(key, structHash);
    }

    function _sign(uint256 key, bytes32 structHash) private view returns (bytes memory) {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) = exchange.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                verifier
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, MessageHashUtils.toTypedDataHash(domain, structHash));
        return abi.encodePacked(r, s, v);
    }

    function _walletKey(uint256 member) private pure returns (uint256) {
        return 0xa11ce + member;
    }
}
