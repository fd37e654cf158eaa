// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ClearingHouse} from "../../contracts/clearing/ClearingHouse.sol";
import {CrosschainExchange} from "../../contracts/exchange/CrosschainExchange.sol";
import {LaneTerms, Price, Quote, SwapRequest} from "../../contracts/interfaces/IExchange.sol";
import {Terms} from "../../contracts/interfaces/IPointsToken.sol";
import {ProgrammeRegistry} from "../../contracts/programmes/ProgrammeRegistry.sol";
import {TestDollar} from "../../contracts/testing/TestDollar.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {CalendarLedger} from "./CalendarLedger.sol";

/// @notice Two chains in one machine: the chain id is changed to go from one to the other. On each a registry, a clearing house,
/// an exchange, and a token of each of three programmes, of which two are at home on the first chain and one on the second;
/// the others are branches. This contract is everybody who has a role; members are a wallet and a managed account.
abstract contract CrosschainRig is CalendarLedger {
    struct Side {
        ProgrammeRegistry registry;
        ClearingHouse house;
        CrosschainExchange exchange;
        TestDollar dollar;
        PointsToken[] tokens;
    }

    uint256 internal constant PROGRAMMES = 3;
    uint256 internal constant LANES = 4;
    uint256 internal constant NOTICE = 2 days;
    uint256 internal constant WALLET_KEY = 0xa11ce;
    bytes32 internal constant MEMBER_KEY = keccak256("member");

    uint256[2] internal CHAINS = [31_337, 1_337];
    bytes32[3] internal IDS = [bytes32("days"), "weeks", "months"];
    uint256[3] internal HOMES = [uint256(0), 1, 0];

    Side[2] internal _sides;

    /// @dev Gateways come first: exchanges are linked to them.
    function _setUpSides(address[2] memory gateways, uint256 collateral) internal {
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            _deploy(_sides[chain], collateral);
        }
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            CrosschainExchange exchange = _sides[chain].exchange;
            exchange.link(CHAINS[1 - chain], gateways[chain], address(_sides[1 - chain].exchange));
            for (uint256 p = 0; p < PROGRAMMES; ++p) {
                if (HOMES[p] != chain) exchange.declareHome(IDS[p], CHAINS[HOMES[p]]);
            }
        }
    }

    function _on(uint256 chain) internal {
        vm.chainId(CHAINS[chain]);
    }

    /// @dev From programme 0 to 1, back, from programme 2 to 1, back.
    function _sourceOf(uint256 lane) internal pure returns (uint256) {
        return lane % 2 == 1 ? 1 : lane;
    }

    function _destinationOf(uint256 lane) internal pure returns (uint256) {
        return lane % 2 == 1 ? lane - 1 : 1;
    }

    function _laneId(uint256 lane) internal view returns (bytes32) {
        (uint256 from, uint256 to) = (_sourceOf(lane), _destinationOf(lane));
        return keccak256(abi.encode(CHAINS[HOMES[from]], IDS[from], CHAINS[HOMES[to]], IDS[to]));
    }

    function _homeToken(uint256 programme) internal view returns (PointsToken) {
        return _sides[HOMES[programme]].tokens[programme];
    }

    function _homeExchange(uint256 programme) internal view returns (CrosschainExchange) {
        return _sides[HOMES[programme]].exchange;
    }

    /// @dev The wallet, or the managed account.
    function _account(uint256 programme, uint256 member) internal view returns (address) {
        return member % 2 == 0 ? vm.addr(WALLET_KEY) : _homeToken(programme).managedAccount(MEMBER_KEY);
    }

    function _agree(uint256 chain, uint256 lane, LaneTerms memory terms) internal {
        _on(chain);
        (bytes32 source, bytes32 destination) = (IDS[_sourceOf(lane)], IDS[_destinationOf(lane)]);
        _sides[chain].exchange.propose(source, destination, source, terms);
        _sides[chain].exchange.accept(source, destination, destination, terms);
    }

    function _issue(uint256 programme, uint256 member, uint256 amount, bytes32 ref) internal {
        _on(HOMES[programme]);
        address account = _account(programme, member);
        _homeToken(programme).issue(account, amount, ref);
        _points[programme][account][modelEpoch(programme)] += amount;
    }

    function _swap(uint256 lane, uint256 member, SwapRequest memory request) internal returns (bytes32 swapId) {
        Quote memory none;
        uint256 source = _sourceOf(lane);
        CrosschainExchange exchange = _homeExchange(source);
        _on(HOMES[source]);
        if (member % 2 == 1) {
            (swapId,) = exchange.swapManaged(MEMBER_KEY, request, none);
        } else {
            vm.prank(vm.addr(WALLET_KEY));
            (swapId,) = exchange.swap(request, none);
        }
    }

    /// @dev The documented formulas, without a bonus.
    function _priceOf(LaneTerms memory terms, uint256 maxIn) internal pure returns (Price memory) {
        uint256 net = uint256(terms.rateNumerator) * (10_000 - terms.feeBps);
        uint256 den = uint256(terms.rateDenominator) * 10_000;
        uint256 out = (maxIn * net) / den;
        uint256 pointsIn = (out * den + net - 1) / net;
        return Price(pointsIn, out, out, (out * terms.settlementPrice + 999_999) / 1_000_000);
    }

    function _deploy(Side storage side, uint256 collateral) private {
        side.registry = new ProgrammeRegistry(address(this), 0);
        side.registry.grantRole(side.registry.REGISTRAR_ROLE(), address(this));
        side.dollar = new TestDollar();
        side.house = new ClearingHouse(side.registry, IERC20(address(side.dollar)), 7 days, 2 days, address(this), 0);
        side.exchange =
            new CrosschainExchange(address(side.registry), address(side.house), NOTICE, address(this), 0);
        side.house.grantRole(side.house.EXCHANGE_ROLE(), address(side.exchange));
        side.exchange.grantRole(side.exchange.PAUSER_ROLE(), address(this));
        side.exchange.grantRole(side.exchange.GUARDIAN_ROLE(), address(this));
        bool first = _epochLengths.length == 0;
        _addProgramme(side, IDS[0], 1 days, 9, first);
        _addProgramme(side, IDS[1], 7 days, 4, first);
        _addProgramme(side, IDS[2], 30 days, 2, first);
        side.dollar.mint(address(this), PROGRAMMES * collateral);
        side.dollar.approve(address(side.house), PROGRAMMES * collateral);
        for (uint256 p = 0; p < PROGRAMMES; ++p) {
            if (collateral != 0) side.house.deposit(IDS[p], collateral);
        }
    }

    function _addProgramme(Side storage side, bytes32 id, uint48 epochLength, uint16 validity, bool first) internal {
        Terms memory terms = Terms(epochLength, validity, 0, type(uint48).max, true);
        PointsToken token = new PointsToken("Exchanged Points", "EXC", terms, address(this), 0);
        token.grantRole(token.ISSUER_ROLE(), address(this));
        token.grantRole(token.CUSTODIAN_ROLE(), address(this));
        token.grantRole(token.PAUSER_ROLE(), address(this));
        token.grantRole(token.EXCHANGE_ROLE(), address(side.exchange));
        token.grantRole(side.exchange.LANE_ROLE(), address(this));
        token.grantRole(side.exchange.QUOTER_ROLE(), address(this));
        token.grantRole(side.house.TREASURER_ROLE(), address(this));
        side.registry.register(id, address(token));
        side.house.join(id);
        side.tokens.push(token);
        if (!first) return;
        _epochLengths.push(epochLength);
        _validities.push(validity);
    }
}
