// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IExchange, SwapStatus} from "./IExchange.sol";
import {Lot} from "./IPointsToken.sol";

/// @notice A swap whose points are burnt, as its destination has to know it and its source to take it back.
/// @param swapId Id of the swap.
/// @param laneId The lane.
/// @param number Number among the swaps sent on the lane: from 1, without gaps.
/// @param account Who gave the points.
/// @param to Who is to get them.
/// @param pointsIn Points burnt.
/// @param pointsOut Points to be minted, bonus included.
/// @param bonusBps The bonus in them, in hundredths of a percent.
/// @param deadline Last second at which they may be minted, Unix time.
/// @param epochLength Length of an epoch of the source's points, in seconds.
/// @param validity Epochs after its own through which a lot of the source's points stays valid.
/// @param lots The lots that were burnt, earliest first; `pointsIn` together.
struct CrosschainSwap {
    bytes32 swapId;
    bytes32 laneId;
    uint256 number;
    address account;
    address to;
    uint256 pointsIn;
    uint256 pointsOut;
    uint256 bonusBps;
    uint256 deadline;
    uint256 epochLength;
    uint256 validity;
    Lot[] lots;
}

/// @notice What a message between two exchanges asks for. Its payload is `abi.encode(MessageKind, CrosschainSwap)`.
/// `Mint`: the points are burnt, mint. `Refund`: they will never be minted, take the swap back; it comes as it was sent.
enum MessageKind {
    Mint,
    Refund
}

/// @notice Why a destination refused a swap.
/// `DeadlinePast`: it came too late. `LaneNotOpen`: the lane has no terms in force at the destination. `PriceDiffers`: those in
/// force do not give these points out for these points in with this bonus, or ask for more points in.
enum RefusalReason {
    DeadlinePast,
    LaneNotOpen,
    PriceDiffers
}

/// @title Exchange of points between programmes of different chains.
/// @notice One on each chain, joined by ERC-7786 gateways. A programme is *at home* on the one chain where its points live; on
/// another it has a *branch*, a token of the same programme id that issues nothing, for its roles, its account at the clearing
/// house and its part in the lanes. A lane is agreed on both chains, by both programmes' roles there.
///
/// The burn leg happens at the source's home, where the price is reckoned and the cap counted. A message then carries the swap
/// to the destination's home, where the mint leg counts the cap of that side, books the debt and mints. Before its deadline a
/// swap is minted or waits; after it, it is refused; a stopped or changed lane refuses at once. A refusal sends the swap back, and
/// the source gives back the original lots, those that have not expired. So a burn ends in exactly one of *minted* or
/// *refunded*, at the latest when somebody delivers after the deadline.
///
/// What waits: while the exchange or the token is paused, a programme suspended, the cap reached, the debt too large, the expiry
/// not to be carried or the receiver impossible, the mint reverts, the gateway keeps the message as failed, and anyone retries.
/// Refusals and refunds work while the exchange is paused.
///
/// The source does not learn of mints: the status of a swap there is *pending* unless it was refunded. `outcomeOf` at the
/// destination says what became of it.
///
/// Trust assumptions, besides those of IExchange
/// - A gateway that is linked for a chain says truly what the counterpart there sent. If it lies, it can mint no more than the
///   lane's daily cap and the clearing house allow, and have swaps refunded that were minted, in any 24 hours less than the lane's
///   daily cap and one swap more. By false swaps it can use up the numbers of true ones, which then end in neither way, also
///   after it stopped lying. It reaches no lane of another chain.
/// - DEFAULT_ADMIN links gateways, each chain's once and for good.
/// - LANE_ROLE of a programme's token declares its home, once, before it agrees to a lane.
/// - GUARDIAN_ROLE of this contract stops lanes, and no more.
interface ICrosschainExchange is IExchange {
    /// @notice The exchange of another chain is linked for good. `counterpart` is its ERC-7930 address, chain and account.
    // slither-disable-next-line unindexed-event-address // as OpenZeppelin's CrosschainLinked has it
    event LinkRegistered(address gateway, bytes counterpart);
    /// @notice The programme's points live on that chain. Logged on declaration, and for this chain when a programme that
    /// declared none first proposes or accepts a lane. It stays so.
    event HomeDeclared(bytes32 indexed programmeId, uint256 chainId);
    /// @notice The burnt swap is on its way. `messageId` is the gateway's, zero when the gateway has delivered already.
    event SwapSent(
        bytes32 indexed swapId, bytes32 indexed laneId, bytes32 indexed messageId, CrosschainSwap swap
    );
    /// @notice The swap will not be minted; the message goes back to its source.
    event SwapRefused(
        bytes32 indexed swapId, bytes32 indexed laneId, bytes32 indexed messageId, RefusalReason reason
    );

    /// @notice Exactly one programme of a lane is at home here, and swaps leave from where their source is.
    error NotCrosschain(bytes32 source, bytes32 destination);
    /// @notice Zero, or this chain: what is not declared is at home here.
    error InvalidHome(bytes32 programmeId, uint256 chainId);
    /// @notice The programme's home is fixed.
    error HomeAlreadyDeclared(bytes32 programmeId, uint256 chainId);
    /// @notice The chain's exchange is linked already.
    error LinkAlreadyRegistered(uint256 chainId);
    /// @notice No gateway is linked for the chain.
    error NotLinked(uint256 chainId);
    /// @notice Zero or this chain, a gateway without code, or no counterpart.
    error InvalidLink(uint256 chainId, address gateway, address counterpart);
    /// @notice The deadline is more than MAX_TRANSIT away.
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    /// @notice A swap of this lane does not come from, or go back to, that chain.
    error WrongRoute(bytes32 laneId, uint256 chainId);
    /// @notice The swap of this number came before.
    error AlreadyArrived(bytes32 laneId, uint256 number);
    /// @notice The lane's refunded points out of the last 24 hours, `used`, have reached its cap. Before that any refund passes,
    /// whatever its size; the first one of such a time always does.
    error RefundCapExceeded(bytes32 laneId, uint256 used, uint256 cap);
    /// @notice The message contradicts itself, or carries money.
    error InvalidMessage();

    /// @notice Role, of this contract, that stops lanes.
    // slither-disable-next-line naming-convention // the getter of a constant
    function GUARDIAN_ROLE() external view returns (bytes32);
    /// @notice Longest time between a swap and its deadline, in seconds.
    // slither-disable-next-line naming-convention // the getter of a constant
    function MAX_TRANSIT() external view returns (uint256);
    /// @notice Chain on which the programme's points live; this one when none was declared.
    function homeOf(bytes32 programmeId) external view returns (uint256);
    /// @notice How many swaps were sent on a lane from here.
    function sentCount(bytes32 laneId) external view returns (uint256);
    /// @notice What became here of the swap `number` of a lane that comes in: Completed (minted), Refunded (refused), or None (not
    /// yet). `statusOf` is for swaps that went out.
    function outcomeOf(bytes32 laneId, uint256 number) external view returns (SwapStatus);
    /// @notice The gateway here through which the chain's exchange is linked, and that exchange; zeros when none is.
    function linkOf(uint256 chainId) external view returns (address gateway, address counterpart);

    /// @notice Says where the programme's points live: not here. Once; LANE_ROLE of its token here.
    function declareHome(bytes32 programmeId, uint256 chainId) external;
    /// @notice Links the exchange `counterpart` of another chain through an ERC-7786 gateway here, for good. DEFAULT_ADMIN. Using
    /// another gateway means deploying another exchange.
    function link(uint256 chainId, address gateway, address counterpart) external;
    /// @notice Ends the lane's terms as `stop` does; logged as stopped by programme zero. GUARDIAN_ROLE.
    function halt(bytes32 laneId) external;
}
