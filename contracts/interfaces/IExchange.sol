// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot} from "./IPointsToken.sol";

/// @notice What two programmes agreed for one direction of exchange.
/// @param rateNumerator Points out for `rateDenominator` points in, before the fee; not zero.
/// @param rateDenominator See `rateNumerator`; not zero.
/// @param feeBps Part of the points out that is not given, in hundredths of a percent; below 10,000.
/// @param maxBonusBps Largest transfer bonus a quote may add, in hundredths of a percent; at most 10,000.
/// @param minimumIn Fewest points in of one swap; at least 1.
/// @param dailyCapOut Most points out in any 24 hours; below 2^44.
/// @param validUntil Last second of these terms, Unix time.
/// @param settlementPrice What the source programme owes for 1,000,000 points out (without bonus), in the smallest unit of
/// the settlement currency.
/// @param carryExpiry True: points out expire no later than the points in did; false: they are new points.
/// @param posted True: the destination keeps its points elsewhere. The swap waits until it says *posted* or *refused*.
struct LaneTerms {
    uint32 rateNumerator;
    uint32 rateDenominator;
    uint16 feeBps;
    uint16 maxBonusBps;
    uint48 minimumIn;
    uint48 dailyCapOut;
    uint48 validUntil;
    uint80 settlementPrice;
    bool carryExpiry;
    bool posted;
}

/// @notice A lane as it is now.
/// @param source Programme whose points are given.
/// @param destination Programme whose points are got.
/// @param version Number of the terms in force; 0 before the first. Grows by one with each agreement.
/// @param open Whether there are terms in force: agreed, not stopped, not past `validUntil`.
/// @param terms The terms in force (the last ones when not open).
/// @param nextVersion Number of agreed terms whose notice runs; 0 when there are none.
/// @param nextFrom When they come into force, Unix time.
/// @param next Those terms.
struct Lane {
    bytes32 source;
    bytes32 destination;
    uint32 version;
    bool open;
    LaneTerms terms;
    uint32 nextVersion;
    uint48 nextFrom;
    LaneTerms next;
}

/// @notice What a member asks for.
/// @param laneId The lane.
/// @param to Account at the destination programme that gets the points.
/// @param maxIn Most points to give; only as many are taken as the points out need.
/// @param minOut Fewest points to get.
/// @param ref Chosen by the caller; works once for an account.
/// @param deadline Last second at which the swap may happen, Unix time.
struct SwapRequest {
    bytes32 laneId;
    address to;
    uint256 maxIn;
    uint256 minOut;
    bytes32 ref;
    uint256 deadline;
}

/// @notice A transfer bonus that the destination programme promises one account. All zero for none.
/// @param quoteId Random; works once for a destination programme.
/// @param laneId The lane it is for.
/// @param version The lane's terms it is for: other terms, other quotes.
/// @param account Who may use it: the account that gives points.
/// @param maxIn Most points in it is good for.
/// @param bonusBps Extra points out, in hundredths of a percent of the points out.
/// @param expiresAt Last second, Unix time.
/// @param signer Account with QUOTER_ROLE of the destination's token (a key or an ERC-1271 contract).
/// @param signature Its EIP-712 signature over
/// `Quote(bytes32 quoteId,bytes32 laneId,uint32 version,address account,uint48 maxIn,uint16 bonusBps,uint48 expiresAt)`.
struct Quote {
    bytes32 quoteId;
    bytes32 laneId;
    uint32 version;
    address account;
    uint48 maxIn;
    uint16 bonusBps;
    uint48 expiresAt;
    address signer;
    bytes signature;
}

/// @notice What a swap comes to.
/// @param pointsIn Points taken: the fewest that give `pointsOut`.
/// @param pointsOut Points given, bonus included.
/// @param baseOut Points given without the bonus: what is settled.
/// @param settlement What the source owes the destination, in the smallest unit of the settlement currency.
struct Price {
    uint256 pointsIn;
    uint256 pointsOut;
    uint256 baseOut;
    uint256 settlement;
}

/// @notice What became of a swap.
enum SwapStatus {
    None,
    Completed,
    Pending,
    Refunded
}

/// @title What every exchange of points between programmes does.
/// @notice A *lane* is one direction between two programmes, and exists when both have said yes. A *swap* is a burn leg at
/// the source and a mint leg at the destination. Where the legs meet, and how a swap ends when they do not at once, is the affair
/// of IPointsExchange (one chain) and ICrosschainExchange (two).
///
/// Trust assumptions
/// - LANE_ROLE of a programme's token agrees to terms in its name and stops its lanes; PAUSER_ROLE of the token stops them
///   too. Neither can change terms alone, and neither can touch points.
/// - QUOTER_ROLE of the destination's token promises bonuses, at most `maxBonusBps`, at the destination's own cost.
/// - CUSTODIAN_ROLE of the source's token swaps for managed accounts whose member key it presents, and for no others.
/// - PAUSER_ROLE of the exchange stops swaps, but not the end of those that are pending.
/// - The exchange trusts the registry for who is a programme and the clearing house for who may owe how much; it holds
///   EXCHANGE_ROLE of the tokens and owns nothing.
///
/// Rounding. Points out are rounded down, points in and settlements up: no splitting of a swap gives more or costs less.
interface IExchange {
    /// @notice `proposer` offers `terms` for a lane; the other programme may accept them as they are.
    event LaneProposed(
        bytes32 indexed laneId,
        bytes32 indexed source,
        bytes32 indexed destination,
        bytes32 proposer,
        LaneTerms terms
    );
    /// @notice A proposal was taken back.
    event ProposalWithdrawn(bytes32 indexed laneId, bytes32 proposer);
    /// @notice Both have agreed: `terms` hold from `effectiveFrom` (Unix time) as number `version`.
    event LaneAgreed(bytes32 indexed laneId, uint32 indexed version, uint256 effectiveFrom, LaneTerms terms);
    /// @notice The lane has no terms any more, at once; `programmeId` stopped it.
    event LaneStopped(bytes32 indexed laneId, bytes32 indexed programmeId);
    /// @notice Burn leg: `price.pointsIn` points of `account` were burnt; `lots` is what they were, earliest first.
    /// `quoteId` is zero when there was no quote.
    event SwapBurnt(
        bytes32 indexed swapId,
        bytes32 indexed laneId,
        address indexed account,
        bytes32 ref,
        uint32 version,
        bytes32 quoteId,
        Price price,
        Lot[] lots
    );
    /// @notice Mint leg: `to` got `pointsOut` points at the destination, as `lots`. The swap is completed.
    event SwapMinted(
        bytes32 indexed swapId, bytes32 indexed laneId, address indexed to, uint256 pointsOut, Lot[] lots
    );
    /// @notice The swap did not happen: `restored` are the original lots that are still live, `expiredAmount` the rest.
    event SwapRefunded(
        bytes32 indexed swapId,
        bytes32 indexed laneId,
        address indexed account,
        Lot[] restored,
        uint256 expiredAmount
    );

    /// @notice The registry has no such programme, or it is suspended.
    error ProgrammeNotActive(bytes32 programmeId);
    /// @notice A lane needs two different programmes.
    error SameProgramme(bytes32 programmeId);
    /// @notice The caller may not act for the programme.
    error NotAuthorized(bytes32 programmeId, address caller);
    /// @notice A term is outside its documented range.
    error InvalidLaneTerms(LaneTerms terms);
    /// @notice There is no such proposal of the other programme (any more).
    error ProposalMismatch(bytes32 laneId, bytes32 termsHash);
    /// @notice With the lane in the opposite direction, points there and back would come to more than before.
    error RoundTripGains(bytes32 laneId);
    /// @notice No terms are in force: never agreed, stopped, or past their last second.
    error LaneNotOpen(bytes32 laneId);
    /// @notice The deadline is past.
    error SwapExpired(uint256 deadline);
    /// @notice This account has used the ref before.
    error SwapRefUsed(bytes32 ref, address account);
    /// @notice Fewer points in than the lane's minimum.
    error BelowMinimum(uint256 pointsIn, uint256 minimumIn);
    /// @notice More points than a lot can hold, or too few to get one point.
    error InvalidSwapAmount(uint256 maxIn);
    /// @notice The swap would give less than asked for.
    error InsufficientOutput(uint256 pointsOut, uint256 minOut);
    /// @notice The lane's points out in 24 hours would exceed its cap; `available` can go now.
    error DailyCapExceeded(bytes32 laneId, uint256 pointsOut, uint256 available);
    /// @notice A lot expires too soon for any lot of the destination. Spend it first.
    error ExpiryNotCarriable(uint256 epoch, uint256 amount);
    /// @notice The receiver is the zero address, a programme's token, or this contract.
    error InvalidReceiver(address to);
    /// @notice The order's signature is not the account's (EOA or ERC-1271).
    error InvalidOrderSignature(address account);
    /// @notice The quote is for another account, lane or version.
    error QuoteMismatch(bytes32 quoteId);
    /// @notice The quote is past its last second.
    error QuoteExpired(bytes32 quoteId, uint256 expiresAt);
    /// @notice The quote has been used.
    error QuoteUsed(bytes32 quoteId);
    /// @notice The quote is good for fewer points in.
    error QuoteExceeded(bytes32 quoteId, uint256 pointsIn, uint256 maxIn);
    /// @notice The lane allows a smaller bonus.
    error BonusTooHigh(uint256 bonusBps, uint256 maxBonusBps);
    /// @notice The quote's signature is not that of a quoter of the destination.
    error InvalidQuoteSignature(bytes32 quoteId, address signer);
    /// @notice The token did not burn or mint what it was told to.
    error TokenMismatch(address token, uint256 expected, uint256 actual);
    /// @notice No pending swap under this id matches what was shown.
    error PendingMismatch(bytes32 swapId);

    /// @notice Role, of a programme's token, that agrees to lanes.
    // slither-disable-next-line naming-convention // the getter of a constant
    function LANE_ROLE() external view returns (bytes32);
    /// @notice Role, of a programme's token, that signs quotes.
    // slither-disable-next-line naming-convention // the getter of a constant
    function QUOTER_ROLE() external view returns (bytes32);
    /// @notice Role, of this contract, that stops swaps.
    // slither-disable-next-line naming-convention // the getter of a constant
    function PAUSER_ROLE() external view returns (bytes32);
    /// @notice Least time between an agreement and the change of terms in force, in seconds.
    function noticePeriod() external view returns (uint256);
    /// @notice The list of programmes.
    function registry() external view returns (address);
    /// @notice Where debts are kept.
    function clearingHouse() external view returns (address);

    /// @notice `keccak256(abi.encode(home of source, source, home of destination, destination))`: the id of the chain on which
    /// each side's points live is part of the lane. On a PointsExchange both are the chain's own.
    function laneIdOf(bytes32 source, bytes32 destination) external view returns (bytes32);
    /// @notice The lane as it is now.
    function laneOf(bytes32 laneId) external view returns (Lane memory);
    /// @notice Hash of the terms that `proposer` has offered; zero for none.
    function proposalOf(bytes32 laneId, bytes32 proposer) external view returns (bytes32);
    /// @notice `keccak256(abi.encode(terms))`.
    function hashTerms(LaneTerms calldata terms) external pure returns (bytes32);
    /// @notice Points out that the lane's cap still allows now.
    function availableOut(bytes32 laneId) external view returns (uint256);
    /// @notice What `maxIn` points come to on the terms in force, with a bonus. Checks the minimum, no cap and no balance.
    function price(bytes32 laneId, uint256 maxIn, uint256 bonusBps) external view returns (Price memory);
    /// @notice Id of the swap `ref` of `account`: `keccak256(abi.encode(block.chainid, this, account, ref))`.
    function swapIdOf(address account, bytes32 ref) external view returns (bytes32);
    /// @notice What became of a swap.
    function statusOf(bytes32 swapId) external view returns (SwapStatus);
    /// @notice Whether a quote of the destination programme has been used.
    function isQuoteUsed(bytes32 destination, bytes32 quoteId) external view returns (bool);

    /// @notice Offers terms, in place of what `proposer` offered before. LANE_ROLE of `proposer`, one of the two.
    function propose(bytes32 source, bytes32 destination, bytes32 proposer, LaneTerms calldata terms) external;
    /// @notice Takes back what `proposer` offered. LANE_ROLE of `proposer`.
    function withdrawProposal(bytes32 source, bytes32 destination, bytes32 proposer) external;
    /// @notice Accepts exactly the terms the other programme offered. LANE_ROLE of `acceptor`, one of the two.
    /// @dev In force at once when the lane is not open, otherwise after the notice period; until then the old terms hold. Takes
    /// the place of terms whose notice runs, and ends both proposals.
    function accept(bytes32 source, bytes32 destination, bytes32 acceptor, LaneTerms calldata terms) external;
    /// @notice Ends the lane's terms, agreed ones to come and both proposals, at once. LANE_ROLE or PAUSER_ROLE of `programmeId`,
    /// one of the two.
    function stop(bytes32 source, bytes32 destination, bytes32 programmeId) external;

    /// @notice Swaps the caller's points.
    function swap(SwapRequest calldata request, Quote calldata quote)
        external
        returns (bytes32 swapId, Price memory swapped);
    /// @notice Swaps on the account's EIP-712 signature over
    /// `Swap(address account,bytes32 laneId,address to,uint256 maxIn,uint256 minOut,bytes32 ref,bytes32 quoteId,uint256 deadline)`.
    /// Anyone may relay it; contract wallets sign by ERC-1271.
    function swapWithSignature(
        address account,
        SwapRequest calldata request,
        Quote calldata quote,
        bytes calldata signature
    ) external returns (bytes32 swapId, Price memory swapped);
    /// @notice Swaps points of the managed account of `memberKey`. CUSTODIAN_ROLE of the source's token.
    function swapManaged(bytes32 memberKey, SwapRequest calldata request, Quote calldata quote)
        external
        returns (bytes32 swapId, Price memory swapped);

    /// @notice Stops swaps. PAUSER_ROLE.
    function pause() external;
    /// @notice Ends the stop. PAUSER_ROLE.
    function unpause() external;
}
