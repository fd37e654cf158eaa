// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice Points that share one expiry.
/// @param epoch Epoch in which they were earned; valid through `epoch + validityDuration`.
/// @param amount Number of points, below 2^48.
struct Lot {
    uint256 epoch;
    uint256 amount;
}

/// @notice What a programme promises about its points. All but `supplyCap` are fixed at deployment.
/// @param epochLength Length of an epoch, in seconds; at least one day.
/// @param validityDuration Epochs after its own through which a lot stays valid; at most 29.
/// @param clawbackWindow Epochs after its own during which a lot can be clawed back.
/// @param supplyCap Most points that may be live at a time; below 2^48.
/// @param transferable False for an exchange-only programme: members cannot transfer to each other.
struct Terms {
    uint48 epochLength;
    uint16 validityDuration;
    uint16 clawbackWindow;
    uint48 supplyCap;
    bool transferable;
}

/// @title Points of one loyalty programme, in lots that expire.
/// @notice An ERC-20 (0 decimals) with ERC-2612 permit, ERC-7818 lots, ERC-7802 mint and burn, and the operations of a
/// loyalty programme. Spending takes the earliest-expiring lot first (FEFO); a movement keeps the lots' epochs.
///
/// Trust assumptions
/// - ISSUER_ROLE (the programme's backend) can create points up to the supply cap, give back what was redeemed, take
///   back lots inside the public clawback window, and capture or release holds. It cannot spend a member's points.
/// - CUSTODIAN_ROLE can spend, hold and move the points of managed accounts whose member key it presents, and of no
///   others. It cannot touch a wallet.
/// - EXCHANGE_ROLE can burn from and mint to any account; giving back what a swap burnt is not bounded by the supply cap.
/// Grant it to exchange contracts only.
/// - PAUSER_ROLE can stop every change of balances. DEFAULT_ADMIN_ROLE grants roles, after a delay for its own transfer.
///
/// References. A `ref` is chosen by the caller and works once. For operations on an account the contract keeps refs
/// per account, so that nobody can use up somebody else's ref by sending first.
///
/// Replay from logs. A `Transfer` is explained by the log or logs of the same token directly before it: a run of
/// `LotTransferred` with the same accounts names its lots; a `PointsExpired` says that a dead lot was removed. A
/// `Transfer` without either is a mint into the current epoch (from the zero address) or FEFO (all others).
interface IPointsToken {
    /// @notice A lot-naming movement; directly before the `Transfer` it explains. Mints name the zero address.
    event LotTransferred(address indexed from, address indexed to, uint256 indexed epoch, uint256 amount);
    /// @notice An expired lot was removed from storage; directly before its `Transfer(account, 0, amount)`.
    event PointsExpired(address indexed account, uint256 indexed epoch, uint256 amount);
    /// @notice The `Transfer` directly before was an issue under `ref`.
    event PointsIssued(bytes32 indexed ref);
    /// @notice The `credits` mint Transfers before this log, `totalAmount` together, were the batch `batchId`.
    event BatchIssued(bytes32 indexed batchId, uint256 credits, uint256 totalAmount);
    /// @notice `amount` points of `account` were redeemed; `lots` is what they were, earliest first.
    event PointsRedeemed(bytes32 indexed ref, address indexed account, uint256 amount, Lot[] lots);
    /// @notice `amount` of the redemption `ref` was given back: `restored` lots, latest-expiring first, live again;
    /// `expiredAmount` came too late.
    event PointsRefunded(
        bytes32 indexed ref, address indexed account, uint256 amount, uint256 expiredAmount, Lot[] restored
    );
    /// @notice `taken` of `requested` points of the lot of `epoch` were taken back.
    event PointsClawedBack(
        bytes32 indexed ref, address indexed account, uint256 indexed epoch, uint256 requested, uint256 taken
    );
    /// @notice `amount` points were moved to `holdAccount` until captured or released; `deadline` in Unix seconds.
    event PointsHeld(
        bytes32 indexed ref, address indexed account, address indexed holdAccount, uint256 amount, uint256 deadline
    );
    /// @notice `captured` of a hold were redeemed (see `PointsRedeemed`), the live rest `released` to the account.
    event HoldCaptured(bytes32 indexed ref, address indexed account, uint256 captured, uint256 released);
    /// @notice A hold ended without a redemption; `released` live points went back to the account.
    event HoldReleased(bytes32 indexed ref, address indexed account, uint256 released);
    /// @notice All live points of the managed `account` were moved to the member's own `wallet`.
    event WalletLinked(address indexed account, address indexed wallet, uint256 amount);
    /// @notice The most points that may be live at a time was changed.
    event SupplyCapChanged(uint256 previousCap, uint256 cap);

    /// @notice A term is outside its documented range.
    error InvalidTerms(Terms terms);
    /// @notice The 16-bit epoch tag is used up; the programme must move to a new token.
    error EpochLimitReached(uint256 epoch);
    /// @notice A lot of a future epoch was named.
    error EpochInFuture(uint256 epoch, uint256 currentEpoch);
    /// @notice An amount does not fit a lot, or is zero where a movement needs points.
    error InvalidAmount(uint256 amount);
    /// @notice The supply would exceed the programme's cap.
    error SupplyCapExceeded(uint256 increasedSupply, uint256 cap);
    /// @notice The ref (or batch id) was used before.
    error RefAlreadyUsed(bytes32 ref);
    /// @notice A batch without credits.
    error EmptyBatch(bytes32 batchId);
    /// @notice No redemption under this ref matches the account and lots.
    error RedemptionMismatch(bytes32 ref, address account);
    /// @notice More would be refunded than is left of the redemption.
    error RefundExceedsRedemption(bytes32 ref, uint256 requested, uint256 remaining);
    /// @notice The lot of `epoch` can no longer be clawed back.
    error ClawbackWindowClosed(uint256 epoch, uint256 currentEpoch);
    /// @notice No open hold under this ref.
    error HoldNotOpen(bytes32 ref, address account);
    /// @notice A hold can be captured through its deadline only.
    error HoldExpired(bytes32 ref, uint256 deadline);
    /// @notice Before its deadline only the issuer or custodian may release a hold.
    error HoldStillActive(bytes32 ref, uint256 deadline);
    /// @notice The deadline is past, or later than `MAX_HOLD_DURATION` from now.
    error InvalidDeadline(uint256 deadline);
    /// @notice Captured more than was held.
    error CaptureExceedsHold(bytes32 ref, uint256 requested, uint256 held);
    /// @notice A signed order came after its deadline.
    error SignatureExpired(uint256 deadline);
    /// @notice The signature is not the account's (EOA or ERC-1271).
    error InvalidSignature(address account);
    /// @notice The programme is exchange-only.
    error TransfersDisabled();

    /// @notice Role that issues, refunds, claws back, captures and releases.
    // slither-disable-next-line naming-convention // the getter of a constant
    function ISSUER_ROLE() external view returns (bytes32);
    /// @notice Role that acts for managed accounts whose key it presents.
    // slither-disable-next-line naming-convention // the getter of a constant
    function CUSTODIAN_ROLE() external view returns (bytes32);
    /// @notice Role of exchange contracts (ERC-7802 mint and burn).
    // slither-disable-next-line naming-convention // the getter of a constant
    function EXCHANGE_ROLE() external view returns (bytes32);
    /// @notice Role that pauses and unpauses.
    // slither-disable-next-line naming-convention // the getter of a constant
    function PAUSER_ROLE() external view returns (bytes32);
    /// @notice Longest time between a hold and its deadline, in seconds.
    // slither-disable-next-line naming-convention // the getter of a constant
    function MAX_HOLD_DURATION() external view returns (uint256);

    /// @notice The programme's terms; `supplyCap` is the present one.
    function terms() external view returns (Terms memory);
    /// @notice Live lots of `account`, earliest first, without empty ones. Bounded by `validityDuration + 1`.
    function lotsOf(address account) external view returns (Lot[] memory);
    /// @notice Live points of all accounts in the lot of `epoch`; zero when expired.
    function totalSupplyAtEpoch(uint256 epoch) external view returns (uint256);
    /// @notice First storage slot of the lot words of `account`; word i is at slot + i. For storage proofs.
    function lotSlotOf(address account) external view returns (bytes32);
    /// @notice Address of a member without a wallet. No private key exists for it. The lowest 160 bits of
    /// `keccak256(abi.encode(keccak256("ManagedAccount(address token,bytes32 memberKey)"), this, memberKey))`.
    function managedAccount(bytes32 memberKey) external view returns (address);
    /// @notice Address that keeps the points of the hold `ref` of `account`.
    function holdAccountOf(address account, bytes32 ref) external view returns (address);
    /// @notice The hold `ref` of `account`: points held and its deadline; zeros unless open.
    function holdOf(address account, bytes32 ref) external view returns (uint256 amount, uint256 deadline);
    /// @notice Points of the redemption `ref` of `account` that have not been refunded; zero when there is none.
    function refundableOf(address account, bytes32 ref) external view returns (uint256);
    /// @notice Whether an issue or clawback ref or a batch id has been used.
    function isRefUsed(bytes32 ref) external view returns (bool);

    /// @notice Mints `amount` points of the current epoch. ISSUER. `ref` works once for issues, batches and clawbacks together.
    function issue(address to, uint256 amount, bytes32 ref) external;
    /// @notice Mints many credits of the current epoch. ISSUER.
    /// @param batchId Merkle root of the batch's receipts (OpenZeppelin StandardMerkleTree, leaf types
    /// `address account, uint256 amount, bytes32 eventHash`); works once.
    /// @param credits One word each: `uint160(account) << 96 | amount`, amount below 2^48, accounts in any order.
    function issueBatch(bytes32 batchId, uint256[] calldata credits) external;
    /// @notice Burns `amount` points of the caller, FEFO.
    function redeem(uint256 amount, bytes32 ref) external;
    /// @notice Burns on the account's EIP-712 signature over
    /// `Redeem(address account,uint256 amount,bytes32 ref,uint256 deadline)`. Anyone may relay it.
    function redeemWithSignature(
        address account, uint256 amount, bytes32 ref, uint256 deadline, bytes calldata signature
    ) external;
    /// @notice Burns points of the managed account of `memberKey`. CUSTODIAN.
    function redeemManaged(bytes32 memberKey, uint256 amount, bytes32 ref) external;
    /// @notice Gives back part or all of a redemption into its original lots, latest-expiring first. ISSUER.
    /// @dev Lots that have expired meanwhile count as refunded but are not minted. Not bounded by the supply cap.
    /// @param lots The lots as `PointsRedeemed` logged them.
    function refund(bytes32 ref, address account, Lot[] calldata lots, uint256 amount) external;
    /// @notice Takes back up to `amount` points of the lot of `epoch`. ISSUER, within the clawback window.
    /// @return taken Points taken; the rest is no debt on chain.
    function clawback(address account, uint256 epoch, uint256 amount, bytes32 ref) external returns (uint256 taken);
    /// @notice Reserves points of the caller, FEFO, until `deadline` (Unix seconds).
    function hold(uint256 amount, bytes32 ref, uint256 deadline) external;
    /// @notice Reserves on the account's EIP-712 signature over
    /// `Hold(address account,uint256 amount,bytes32 ref,uint256 holdDeadline,uint256 deadline)`.
    function holdWithSignature(
        address account, uint256 amount, bytes32 ref, uint256 holdDeadline, uint256 deadline, bytes calldata signature
    ) external;
    /// @notice Reserves points of the managed account of `memberKey`. CUSTODIAN.
    function holdManaged(bytes32 memberKey, uint256 amount, bytes32 ref, uint256 deadline) external;
    /// @notice Redeems `amount` of a hold through its deadline and releases the rest. ISSUER or CUSTODIAN.
    function capture(address account, bytes32 ref, uint256 amount) external;
    /// @notice Ends a hold. ISSUER or CUSTODIAN at any time, anyone after the deadline.
    function release(address account, bytes32 ref) external;
    /// @notice Removes expired lots of `accounts` from storage and logs them. Anyone; changes no live balance.
    function expire(address[] calldata accounts) external;
    /// @notice Moves every live lot of the managed account of `memberKey` to the member's own wallet. CUSTODIAN.
    function moveToWallet(bytes32 memberKey, address wallet) external;
    /// @notice ERC-7802 burn, FEFO, that returns and logs which lots it took. EXCHANGE.
    function crosschainBurnLots(address from, uint256 amount) external returns (Lot[] memory lots);
    /// @notice ERC-7802 mint into given lots, which must be live; within the supply cap. EXCHANGE.
    function crosschainMintLots(address to, Lot[] calldata lots) external;
    /// @notice ERC-7802 mint that gives a burnt swap back: into its original lots, without those that have expired since.
    /// Not bounded by the supply cap. EXCHANGE.
    /// @return restored The lots that are live again, in the order given.
    function crosschainRestoreLots(address to, Lot[] calldata lots) external returns (Lot[] memory restored);
    /// @notice Sets the most points that may be live at a time. DEFAULT_ADMIN.
    function setSupplyCap(uint48 cap) external;
    /// @notice Stops every change of balances, and `expire`. Allowances and roles can still change. PAUSER.
    function pause() external;
    /// @notice Ends the stop. PAUSER.
    function unpause() external;
}
