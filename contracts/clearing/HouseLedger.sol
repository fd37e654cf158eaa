// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IProgrammeRegistry} from "../interfaces/IProgrammeRegistry.sol";

/// @title Accounts, the debts between pairs of programmes, and the two bounds on each programme.
/// @dev The invariants, and why each function keeps them. For a programme d and its partners p, let o(d,p) and c(d,p) be what
/// d owes p in the open cycle and in the one being settled (negative: is owed; c = 0 when none is being settled), and L(p,d)
/// the line that p gave d.
///
/// (1) open(d) = -sum of o(d,p); due(d) = -sum of c(d,p) from the close to the settlement.
/// (2) uncovered(d) = sum of max(0, o + c - L); uncoveredOpen(d) = sum of max(0, o - L).
/// (3) uncovered(d) <= collateral(d) + paid(d) - reserved(d).
/// (4) uncoveredOpen(d) <= collateral(d) - reserved(d).
///
/// `_setDebt` is the only writer of o and c besides close and settlement, and changes both parties' sums by the same
/// differences: (1), (2), and the zero sums of `open` and `due`. Close moves every o to c at once: `uncovered` stays,
/// `uncoveredOpen` becomes zero. Settlement makes every c zero: `uncovered` becomes `uncoveredOpen`, and (3) follows from (4),
/// as no collateral falls there. A debt grows, and collateral, lines and free money fall, only where (3) and (4) are checked
/// afterwards (book, reserve, withdraw, lower a line, pay from collateral); turning a reservation into a debt adds at most what
/// it frees. In a default no debt grows, and (3) says that the collateral pays all that exceeds lines.
abstract contract HouseLedger is AccessControlDefaultAdminRules, IClearingHouse {
    using SafeCast for int256;
    using SafeCast for uint256;

    // slither-disable-start timestamp // cycles last days; seconds of leeway for a validator do not matter

    /// @dev What a programme has here. The first word is what a booking within a credit line touches.
    struct Account {
        int120 open;
        uint120 uncovered;
        uint8 number; // from 1, in order of joining; 0: takes no part
        bool inDefault;
        uint128 uncoveredOpen;
        uint128 paid;
        uint128 collateral;
        uint128 reserved;
        int128 due;
        uint128 claims; // of others on this programme
    }

    /// @dev Two programmes; *low* is the one that joined first. `open` is of `cycle`, `closed` of the cycle before it; both say
    /// what low owes high. Never cleared: what they mean later follows from `cycle`, see `_debt`.
    struct Pair {
        uint32 cycle;
        int112 open;
        int112 closed;
        uint128 lineOfLow; // what low lets high owe it
        uint128 lineOfHigh;
    }

    /// @dev What one programme owes another now (negative: is owed).
    struct Debt {
        int256 open;
        int256 closed;
    }

    /// @inheritdoc IClearingHouse
    bytes32 public constant EXCHANGE_ROLE = keccak256("EXCHANGE_ROLE");
    /// @inheritdoc IClearingHouse
    bytes32 public constant TREASURER_ROLE = keccak256("TREASURER_ROLE");
    /// @inheritdoc IClearingHouse
    uint256 public constant MAX_PROGRAMMES = 32;

    uint256 private constant MAX_PERIOD = 366 days;

    /// @inheritdoc IClearingHouse
    address public immutable registry;
    /// @inheritdoc IClearingHouse
    uint256 public immutable cycleLength;
    /// @inheritdoc IClearingHouse
    uint256 public immutable paymentPeriod;

    uint32 internal _cycle = 1;
    uint48 internal _closesAt;
    /// @dev Zero: no cycle is being settled.
    uint48 internal _deadline;

    bytes32[] internal _ids;
    mapping(bytes32 programmeId => Account account) internal _accounts;
    mapping(uint256 numbers => Pair pair) private _pairs;

    /// @param registry_ The list of programmes.
    /// @param cycleLength_ Length of a cycle, in seconds, at most a year.
    /// @param paymentPeriod_ Time to pay after a close, in seconds, at most a year.
    /// @param admin First DEFAULT_ADMIN, which grants EXCHANGE_ROLE.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(
        IProgrammeRegistry registry_,
        uint256 cycleLength_,
        uint256 paymentPeriod_,
        address admin,
        uint48 adminDelay
    ) AccessControlDefaultAdminRules(adminDelay, admin) {
        if (cycleLength_ == 0 || cycleLength_ > MAX_PERIOD) revert InvalidClearingAmount(cycleLength_);
        if (paymentPeriod_ == 0 || paymentPeriod_ > MAX_PERIOD) revert InvalidClearingAmount(paymentPeriod_);
        registry = address(registry_);
        cycleLength = cycleLength_;
        paymentPeriod = paymentPeriod_;
        _closesAt = (block.timestamp + cycleLength_).toUint48();
    }

    /// @dev Whether the cycle before the open one is being settled.
    function _isSettling() internal view returns (bool) {
        return _deadline != 0;
    }

    /// @dev What `debtor` owes `creditor`. The open part of an earlier cycle has become the closed part of the one being
    /// settled, or was settled; a closed part counts only while its cycle is being settled.
    function _debt(Account storage debtor, Account storage creditor) internal view returns (Debt memory debt) {
        (Pair storage pair, bool isLow) = _pair(debtor, creditor);
        uint256 cycle = _cycle;
        bool settling = _isSettling();
        int256 open = 0;
        int256 closed = 0;
        if (pair.cycle == cycle) {
            open = pair.open;
            if (settling) closed = pair.closed;
        } else if (settling && pair.cycle == cycle - 1) {
            closed = pair.open;
        }
        return isLow ? Debt(open, closed) : Debt(-open, -closed);
    }

    /// @dev Replaces what `debtor` owes `creditor`, with the positions, dues and uncovered sums of both.
    /// @return riskier Whether more than before is uncovered of what `debtor` owes.
    function _setDebt(Account storage debtor, Account storage creditor, Debt memory previous, Debt memory next)
        internal
        returns (bool riskier)
    {
        (Pair storage pair, bool isLow) = _pair(debtor, creditor);
        pair.cycle = _cycle;
        pair.open = (isLow ? next.open : -next.open).toInt112();
        pair.closed = (isLow ? next.closed : -next.closed).toInt112();
        (uint256 line, uint256 lineBack) = isLow ? (pair.lineOfHigh, pair.lineOfLow) : (pair.lineOfLow, pair.lineOfHigh);
        riskier = _adjust(debtor, previous, next, line);
        _adjust(creditor, Debt(-previous.open, -previous.closed), Debt(-next.open, -next.closed), lineBack);
    }

    /// @dev Sets a line, with the uncovered sums of `debtor`.
    function _setLine(Account storage creditor, Account storage debtor, uint128 amount) internal {
        Debt memory debt = _debt(debtor, creditor);
        uint256 previous = _line(creditor, debtor);
        int256 owed = debt.open + debt.closed;
        debtor.uncovered = _moved(debtor.uncovered, _beyond(owed, previous), _beyond(owed, amount)).toUint120();
        debtor.uncoveredOpen =
            _moved(debtor.uncoveredOpen, _beyond(debt.open, previous), _beyond(debt.open, amount)).toUint128();
        (Pair storage pair, bool isLow) = _pair(creditor, debtor);
        if (isLow) pair.lineOfLow = amount;
        else pair.lineOfHigh = amount;
    }

    /// @dev What `creditor` lets `debtor` owe it.
    function _line(Account storage creditor, Account storage debtor) internal view returns (uint256) {
        (Pair storage pair, bool isLow) = _pair(creditor, debtor);
        return isLow ? pair.lineOfLow : pair.lineOfHigh;
    }

    /// @dev By how much the programme breaks the bound that it breaks most; zero when it keeps both.
    function _shortfall(Account storage account) internal view returns (uint256) {
        uint256 own = account.collateral;
        uint256 reserved = account.reserved;
        return Math.max(
            Math.saturatingSub(account.uncoveredOpen + reserved, own),
            Math.saturatingSub(account.uncovered + reserved, own + account.paid)
        );
    }

    /// @dev Collateral that covers nothing.
    function _free(Account storage account) internal view returns (uint256) {
        uint256 ofBoth = uint256(account.collateral) + account.paid - account.reserved - account.uncovered;
        return Math.min(ofBoth, _freeOfOpen(account));
    }

    /// @dev Collateral that covers nothing of the open cycle.
    function _freeOfOpen(Account storage account) internal view returns (uint256) {
        return account.collateral - account.reserved - account.uncoveredOpen;
    }

    /// @dev What is left to pay in the cycle being settled.
    function _outstanding(Account storage account) internal view returns (uint256) {
        int256 left = -int256(account.due) - int256(uint256(account.paid));
        return left > 0 ? uint256(left) : 0;
    }

    /// @dev The account of a programme that takes part.
    function _joined(bytes32 programmeId) internal view returns (Account storage account) {
        account = _accounts[programmeId];
        if (account.number == 0) revert NotJoined(programmeId);
    }

    /// @dev The accounts of two different programmes that take part.
    function _parties(bytes32 debtorId, bytes32 creditorId)
        internal
        view
        returns (Account storage debtor, Account storage creditor)
    {
        if (debtorId == creditorId) revert SameParty(debtorId);
        return (_joined(debtorId), _joined(creditorId));
    }

    /// @dev Reverts unless the caller is a treasurer of the programme, whose token is asked.
    function _checkTreasurer(bytes32 programmeId) internal view {
        address token = IProgrammeRegistry(registry).tokenOf(programmeId);
        if (token == address(0)) revert UnknownProgramme(programmeId);
        if (!IAccessControl(token).hasRole(TREASURER_ROLE, msg.sender)) revert NotTreasurer(programmeId, msg.sender);
    }

    /// @dev What is owed beyond a line.
    function _beyond(int256 owed, uint256 line) internal pure returns (uint256) {
        return owed > 0 ? Math.saturatingSub(uint256(owed), line) : 0;
    }

    /// @dev Takes a change of what `party` owes one partner, whose line is `line`, into its sums. The field widths hold 31
    /// partners' pairs: 31 * 2^112 < 2^117.
    function _adjust(Account storage party, Debt memory previous, Debt memory next, uint256 line)
        private
        returns (bool riskier)
    {
        party.open = (int256(party.open) + previous.open - next.open).toInt120();
        uint256 wasBeyond = _beyond(previous.open + previous.closed, line);
        uint256 isBeyond = _beyond(next.open + next.closed, line);
        riskier = isBeyond > wasBeyond;
        party.uncovered = _moved(party.uncovered, wasBeyond, isBeyond).toUint120();
        wasBeyond = _beyond(previous.open, line);
        isBeyond = _beyond(next.open, line);
        if (wasBeyond != isBeyond) {
            riskier = riskier || isBeyond > wasBeyond;
            party.uncoveredOpen = _moved(party.uncoveredOpen, wasBeyond, isBeyond).toUint128();
        }
        if (previous.closed != next.closed) {
            party.due = (int256(party.due) + previous.closed - next.closed).toInt128();
        }
    }

    /// @dev The record of two programmes, and whether `one` is the low one.
    function _pair(Account storage one, Account storage other) private view returns (Pair storage pair, bool isLow) {
        uint256 first = one.number;
        uint256 second = other.number;
        isLow = first < second;
        pair = _pairs[isLow ? (first << 8) | second : (second << 8) | first];
    }

    /// @dev A sum after one of its terms has changed.
    function _moved(uint256 sum, uint256 previous, uint256 next) private pure returns (uint256) {
        return sum + next - previous;
    }

    // slither-disable-end timestamp
}
