// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ClearingHouse} from "../../contracts/clearing/ClearingHouse.sol";
import {PointsExchange} from "../../contracts/exchange/PointsExchange.sol";
import {Lane} from "../../contracts/interfaces/IExchange.sol";
import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {PointsExchangeHandler} from "./PointsExchangeHandler.sol";
import {Checked} from "./Vm.sol";

/// @notice What is true of programmes that exchange points, after any sequence of operations. What is true of each swap (rate,
/// cap, expiry, the right error) the handler checks when it happens.
/// forge-config: default.invariant.runs = 30
contract PointsExchangeInvariants is Checked {
    PointsExchangeHandler private handler;
    PointsExchange private exchange;
    ClearingHouse private house;

    function setUp() external {
        vm.warp(20_000 days);
        handler = new PointsExchangeHandler();
        exchange = handler.exchange();
        house = handler.house();
        // So that swaps happen from the first call on.
        for (uint256 lane = 0; lane < 6; ++lane) {
            handler.agree(lane / 2 + ((lane % 2) << 8), uint256(keccak256(abi.encode(lane))));
        }
        for (uint256 i = 0; i < 9; ++i) {
            handler.earn(i / 3, i % 3, uint256(keccak256(abi.encode("earn", i))));
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Every lot is the model's, and they add up to the supplies: nothing is made or lost between the legs.
    function invariant_lotsAreTheModels() external view {
        for (uint256 p = 0; p < 3; ++p) {
            uint256 supply = 0;
            for (uint256 member = 0; member < 3; ++member) {
                supply += _checkLots(p, handler.accounts(p, member));
            }
            _equal(handler.tokens(p).totalSupply(), supply, "total supply");
        }
    }

    /// @notice Each swap has the status it must have, so each pending one ended at most once.
    function invariant_swapsEndOnce() external view {
        for (uint256 i = 0; i < handler.swapCount(); ++i) {
            bytes32 swapId = handler.swapIds(i);
            _true(exchange.statusOf(swapId) == handler.expectedStatus(swapId), "status of a swap");
        }
        for (uint256 i = 0; i < handler.quoteCount(); ++i) {
            bytes32 quoteId = handler.quoteIds(i);
            bytes32 destination = handler.ids(handler.destinationOf(handler.laneOfQuote(quoteId)));
            _true(exchange.isQuoteUsed(destination, quoteId), "a used quote");
        }
    }

    /// @notice What programmes owe each other, and what is set aside, follows from the swaps alone.
    function invariant_debtsFollowFromSwaps() external view {
        for (uint256 p = 0; p < 3; ++p) {
            uint256 reserved = 0;
            for (uint256 q = 0; q < 3; ++q) {
                (int256 open,) = house.owedOf(handler.ids(p), handler.ids(q));
                int256 expected = int256(handler.booked(3 * p + q)) - int256(handler.booked(3 * q + p));
                _true(open == expected, "what one owes another");
                reserved += handler.reserved(3 * p + q);
            }
            _equal(house.standingOf(handler.ids(p)).reserved, reserved, "set aside");
        }
    }

    /// @notice Lanes are what was agreed, when it was agreed for.
    function invariant_lanesAreTheModels() external view {
        for (uint256 id = 0; id < 9; ++id) {
            Lane memory lane = exchange.laneOf(handler.laneIdOf(id));
            _true(lane.open == handler.modelOpen(id), "whether a lane is open");
            _equal(lane.version, handler.modelVersion(id), "version of a lane");
            bytes32 terms = keccak256(abi.encode(handler.modelTerms(id)));
            _true(keccak256(abi.encode(lane.terms)) == terms, "terms of a lane");
        }
    }

    function _checkLots(uint256 programme, address account) private view returns (uint256 balance) {
        Lot[] memory lots = handler.tokens(programme).lotsOf(account);
        for (uint256 i = 0; i < lots.length; ++i) {
            _equal(lots[i].amount, handler.modelLot(programme, account, lots[i].epoch), "amount of a lot");
            balance += lots[i].amount;
        }
        _equal(balance, handler.modelBalance(programme, account), "balance");
    }
}
