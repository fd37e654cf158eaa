// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice Where a programme stands. Amounts in the smallest unit of the currency.
/// @param open Net of what it is owed (+) and owes (-) since the last close.
/// @param due Net of the closed cycle that is being settled; zero otherwise.
/// @param paid What it has paid of `due`.
/// @param collateral Its money here, `paid` apart.
/// @param reserved Part of the collateral set aside for swaps whose outcome is not known yet.
/// @param uncovered Sum, over all partners, of what it owes each beyond that partner's credit line, both cycles.
/// @param uncoveredOpen The same for the open cycle alone.
/// @param claims What is still owed to others after a default.
/// @param inDefault Whether it is in default: it cannot swap nor withdraw.
struct Standing {
    int256 open;
    int256 due;
    uint256 paid;
    uint256 collateral;
    uint256 reserved;
    uint256 uncovered;
    uint256 uncoveredOpen;
    uint256 claims;
    bool inDefault;
}

/// @title Who owes whom, and how it is paid.
/// @notice Each swap leaves the source programme owing the destination programme. Debts are netted to one signed position
/// per programme; positions sum to zero at every moment. Cycles: close (anyone, once the cycle's time is over), pay (until
/// the payment deadline), settle (anyone, once all have paid), withdraw.
///
/// What a partner can lose. Towards each partner a programme may owe as much as that partner's *credit line*, and beyond it
/// only what its own *collateral* covers: `uncovered <= collateral + paid - reserved` and
/// `uncoveredOpen <= collateral - reserved` after every change. So when it does not pay, nobody loses more than the credit line
/// they gave it, whatever it has minted and whoever else fails.
///
/// Default. After the payment deadline anyone may call `enforce` on a debtor that has not paid. When its collateral can pay
/// without uncovering what it owes in the open cycle, it does. Otherwise the debtor is in default: each pair's two cycles are
/// set off, and what it owes a partner on balance is taken out of the netting (what a partner owes on balance stays, in the cycle
/// in which it owes it); its collateral pays first what is beyond credit lines, then the rest in proportion; what is
/// left are claims. What others owe it stays in the netting, and when it comes in is distributed to the claims. The others'
/// net positions are advised anew, with a new payment deadline. Paying the claims in full ends the default.
///
/// Trust assumptions
/// - EXCHANGE_ROLE books debts. Grant it to exchange contracts only.
/// - TREASURER_ROLE of a programme's token grants credit lines, withdraws, and pays from collateral in its name.
/// - DEFAULT_ADMIN grants EXCHANGE_ROLE; it can touch neither money nor positions (but it can grant itself the role, in the
///   open). An exchange that loses the role cannot end its pending swaps until it has it back.
/// - The currency is an ordinary ERC-20: one that takes a fee from what comes in, or does not deliver, is refused when it
/// happens.
interface IClearingHouse {
    /// @notice A programme takes part.
    event ProgrammeJoined(bytes32 indexed programmeId, uint256 index);
    /// @notice Money came in as collateral of `programmeId`.
    event CollateralDeposited(bytes32 indexed programmeId, address indexed from, uint256 amount);
    /// @notice Collateral went out.
    event CollateralWithdrawn(bytes32 indexed programmeId, address indexed to, uint256 amount);
    /// @notice `creditor` lets `debtor` owe it up to `amount` without collateral.
    event CreditLineChanged(
        bytes32 indexed creditor, bytes32 indexed debtor, uint256 previousAmount, uint256 amount
    );
    /// @notice A swap left `debtor` owing `creditor` `amount` in the open `cycle`.
    event DebtBooked(
        uint256 indexed cycle, bytes32 indexed debtor, bytes32 indexed creditor, uint256 amount, bytes32 swapId
    );
    /// @notice Collateral was set aside for a swap whose outcome is not known yet.
    event DebtReserved(bytes32 indexed debtor, bytes32 indexed creditor, uint256 amount, bytes32 indexed swapId);
    /// @notice A reservation ended: by a `DebtBooked` directly before this log, by `paid` from the collateral (one of the two is in
    /// default, or the sum between them would not fit), or by neither (refund).
    event ReservationEnded(bytes32 indexed swapId, uint256 amount, bool paid);
    /// @notice A cycle was closed; debtors have until `paymentDeadline` (Unix time).
    event CycleClosed(uint256 indexed cycle, uint256 paymentDeadline);
    /// @notice The net of a programme in the closed cycle; again, with `CycleReadvised`, when a default changed it.
    event PositionAdvised(uint256 indexed cycle, bytes32 indexed programmeId, int256 due);
    /// @notice A default changed the nets of the cycle; debtors have until `paymentDeadline`.
    event CycleReadvised(uint256 indexed cycle, uint256 paymentDeadline);
    /// @notice `amount` of what `programmeId` owes in the cycle was paid, by `from`, or from its collateral (zero address).
    event DebtPaid(uint256 indexed cycle, bytes32 indexed programmeId, address indexed from, uint256 amount);
    /// @notice The collateral of `programmeId` paid for it after the deadline (see the `DebtPaid` directly before).
    event CollateralEnforced(uint256 indexed cycle, bytes32 indexed programmeId, uint256 amount);
    /// @notice All have paid: nets of the cycle are zero; what creditors were owed is in their collateral, to withdraw.
    event CycleSettled(uint256 indexed cycle, uint256 total);
    /// @notice `programmeId` is in default.
    event DefaultDeclared(uint256 indexed cycle, bytes32 indexed programmeId);
    /// @notice On the default of `debtor`, `recovered` of the `owed` to `creditor` came from its collateral; the rest is a claim.
    event LossAllocated(bytes32 indexed debtor, bytes32 indexed creditor, uint256 owed, uint256 recovered);
    /// @notice `amount` of the claim of `creditor` on `debtor` was paid.
    event ClaimPaid(bytes32 indexed debtor, bytes32 indexed creditor, uint256 amount);
    /// @notice All claims on `programmeId` are paid; its default is over.
    event DefaultEnded(bytes32 indexed programmeId);
    /// @notice A programme disputes a cycle; `noteHash` is the keccak256 of a note kept elsewhere. Changes nothing.
    event CycleDisputed(uint256 indexed cycle, bytes32 indexed programmeId, bytes32 noteHash);

    /// @notice The registry has no such programme.
    error UnknownProgramme(bytes32 programmeId);
    /// @notice The programme does not take part here (see `join`).
    error NotJoined(bytes32 programmeId);
    /// @notice The programme takes part already.
    error AlreadyJoined(bytes32 programmeId);
    /// @notice MAX_PROGRAMMES take part.
    error HouseFull();
    /// @notice The caller has not TREASURER_ROLE of the programme's token.
    error NotTreasurer(bytes32 programmeId, address caller);
    /// @notice An amount is zero, or does not fit its field.
    error InvalidClearingAmount(uint256 amount);
    /// @notice A programme cannot owe itself.
    error SameParty(bytes32 programmeId);
    /// @notice The currency did not deliver what was sent.
    error CurrencyMismatch(uint256 expected, uint256 received);
    /// @notice `debtor` may owe `creditor` at most `available` more now: post collateral or ask for a credit line.
    error DebitCapExceeded(bytes32 debtor, bytes32 creditor, uint256 amount, uint256 available);
    /// @notice The collateral is needed to cover what is owed; `available` is free.
    error CollateralInUse(bytes32 programmeId, uint256 amount, uint256 available);
    /// @notice What is owed on the line is not covered otherwise.
    error CreditLineInUse(bytes32 creditor, bytes32 debtor);
    /// @notice The programme is in default.
    error InDefault(bytes32 programmeId);
    /// @notice The open cycle cannot be closed before `closesAt`.
    error CycleStillOpen(uint256 closesAt);
    /// @notice The closed cycle must be settled first.
    error CycleNotSettled(uint256 cycle);
    /// @notice No cycle is being settled.
    error NothingToSettle();
    /// @notice The programme owes nothing (more) in the cycle, or less than that.
    error Overpaid(bytes32 programmeId, uint256 amount, uint256 outstanding);
    /// @notice `programmeId` has not paid yet.
    error PaymentOutstanding(bytes32 programmeId, uint256 outstanding);
    /// @notice Debtors still have time to pay.
    error DeadlineNotPast(uint256 paymentDeadline);
    /// @notice The swap has a reservation, or none, contrary to what was asked.
    error ReservationMismatch(bytes32 swapId);
    /// @notice Not a cycle that has been closed.
    error UnknownCycle(uint256 cycle);

    /// @notice Role of exchange contracts.
    // slither-disable-next-line naming-convention // the getter of a constant
    function EXCHANGE_ROLE() external view returns (bytes32);
    /// @notice Role, of a programme's token, that handles its money here.
    // slither-disable-next-line naming-convention // the getter of a constant
    function TREASURER_ROLE() external view returns (bytes32);
    /// @notice Most programmes that can take part; bounds every loop.
    // slither-disable-next-line naming-convention // the getter of a constant
    function MAX_PROGRAMMES() external view returns (uint256);
    /// @notice The settlement currency, an ERC-20.
    function currency() external view returns (address);
    /// @notice The list of programmes.
    function registry() external view returns (address);
    /// @notice Length of a cycle, in seconds.
    function cycleLength() external view returns (uint256);
    /// @notice Time to pay after a close, in seconds.
    function paymentPeriod() external view returns (uint256);

    /// @notice Number of the open cycle, from 1.
    function openCycle() external view returns (uint256);
    /// @notice When the open cycle may be closed, Unix time.
    function closesAt() external view returns (uint256);
    /// @notice Whether the cycle before the open one is being settled.
    function isSettling() external view returns (bool);
    /// @notice Payment deadline of the cycle being settled, Unix time; zero when none is.
    function paymentDeadline() external view returns (uint256);
    /// @notice Programmes that take part, in order of joining.
    function programmes() external view returns (bytes32[] memory);
    /// @notice Where a programme stands.
    function standingOf(bytes32 programmeId) external view returns (Standing memory);
    /// @notice What `debtor` owes `creditor` (negative: is owed), open cycle and cycle being settled.
    function owedOf(bytes32 debtor, bytes32 creditor) external view returns (int256 open, int256 closed);
    /// @notice What `creditor` lets `debtor` owe it without collateral.
    function creditLineOf(bytes32 creditor, bytes32 debtor) external view returns (uint256);
    /// @notice How much more `debtor` may owe `creditor` now.
    function availableTo(bytes32 debtor, bytes32 creditor) external view returns (uint256);
    /// @notice What is left of the claim of `creditor` on `debtor` after its default.
    function claimOf(bytes32 creditor, bytes32 debtor) external view returns (uint256);
    /// @notice Collateral that may be withdrawn now.
    function withdrawable(bytes32 programmeId) external view returns (uint256);

    /// @notice Takes part. TREASURER_ROLE.
    function join(bytes32 programmeId) external;
    /// @notice Posts collateral with the caller's money. Anyone.
    function deposit(bytes32 programmeId, uint256 amount) external;
    /// @notice Takes money out that covers nothing. TREASURER_ROLE.
    /// @dev Not while the programme owes an unpaid part of a closed cycle, nor in default.
    function withdraw(bytes32 programmeId, address to, uint256 amount) external;
    /// @notice Lets `debtor` owe `creditor` up to `amount` without collateral. TREASURER_ROLE of `creditor`.
    /// @dev Lowering must leave what is owed covered. A creditor in default cannot raise one.
    function setCreditLine(bytes32 creditor, bytes32 debtor, uint256 amount) external;

    /// @notice Books what a swap leaves owing, if the debtor's cap allows. EXCHANGE.
    function book(bytes32 debtor, bytes32 creditor, uint256 amount, bytes32 swapId) external;
    /// @notice Sets collateral aside for a swap whose outcome is not known yet. EXCHANGE.
    function reserve(bytes32 debtor, bytes32 creditor, uint256 amount, bytes32 swapId) external;
    /// @notice Books a reserved amount; when one of the two is in default it is paid from the collateral at once. EXCHANGE.
    function bookReserved(bytes32 debtor, bytes32 creditor, uint256 amount, bytes32 swapId) external;
    /// @notice Frees a reserved amount. EXCHANGE.
    function release(bytes32 debtor, bytes32 creditor, uint256 amount, bytes32 swapId) external;

    /// @notice Closes the open cycle, advises the nets and opens the next. Anyone, from `closesAt` on, when none is being settled.
    function closeCycle() external;
    /// @notice Pays a part of what a programme owes in the closed cycle with the caller's money. Anyone.
    function pay(bytes32 programmeId, uint256 amount) external;
    /// @notice Pays from the programme's collateral what covers nothing else. TREASURER_ROLE.
    function payFromCollateral(bytes32 programmeId, uint256 amount) external;
    /// @notice Settles the closed cycle: nets become zero, creditors' money is added to their collateral. Anyone, once all have paid.
    function settleCycle() external;
    /// @notice After the payment deadline: lets the collateral of a debtor pay, or declares its default. Anyone.
    function enforce(bytes32 programmeId) external;
    /// @notice Pays claims on a programme in default from its collateral, in proportion. Anyone, when there is something to pay.
    function distribute(bytes32 programmeId) external;
    /// @notice Logs that a programme disputes a closed cycle. TREASURER_ROLE.
    function dispute(uint256 closedCycle, bytes32 programmeId, bytes32 noteHash) external;
}
