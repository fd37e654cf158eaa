// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC7786Recipient} from "@openzeppelin/contracts/crosschain/ERC7786Recipient.sol";
import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {
    CrosschainSwap, ICrosschainExchange, MessageKind, RefusalReason
} from "../interfaces/ICrosschainExchange.sol";
import {LaneTerms, Price, Quote, SwapRequest, SwapStatus} from "../interfaces/IExchange.sol";
import {Lot} from "../interfaces/IPointsToken.sol";
import {ChainAddress} from "../libraries/ChainAddress.sol";
import {Calendar, ExpiryCarrying} from "../libraries/ExpiryCarrying.sol";
import {LanePricing} from "../libraries/LanePricing.sol";
import {SlidingCap} from "../libraries/SlidingCap.sol";
import {ExchangeControl} from "./ExchangeControl.sol";
import {ExchangeLanes, OpenLane} from "./ExchangeLanes.sol";
import {BurntSwap, ExchangeLegs} from "./ExchangeLegs.sol";
import {ExchangeSwaps} from "./ExchangeSwaps.sol";
import {LaneRecord, LaneRecords, LaneState} from "./LaneRecords.sol";

/// @title Exchange of points between programmes of different chains.
/// @notice See ICrosschainExchange for what it promises and whom it trusts.
contract CrosschainExchange is ExchangeSwaps, ERC7786Recipient, ICrosschainExchange {
    // slither-disable-start timestamp // deadlines are block times; seconds of leeway for a validator do not matter

    using LaneRecords for LaneRecord;
    using LaneRecords for LaneState;

    /// @inheritdoc ICrosschainExchange
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @inheritdoc ICrosschainExchange
    uint256 public constant MAX_TRANSIT = 7 days;

    struct Link {
        address gateway;
        address counterpart;
    }

    /// @dev Zero where neither declared nor fixed: at home here.
    mapping(bytes32 programmeId => uint256 chainId) private _homes;
    // slither-disable-next-line uninitialized-state // written through a pointer
    mapping(uint256 chainId => Link link) private _links;
    /// @dev By the hash of a counterpart's ERC-7930 address.
    mapping(bytes32 counterpart => uint256 chainId) private _chains;
    mapping(bytes32 laneId => uint256) private _sent;
    /// @dev Points out of refunded swaps by time, see SlidingCap.
    mapping(bytes32 laneId => uint256 volumes) private _refunds;
    /// @dev Two bits for each swap that came in, a SwapStatus: 128 numbers to a word. By the chain they came from, the lane and
    /// the number, so that no chain uses up the numbers of another's lane, not even of one that is not agreed here yet.
    mapping(bytes32 chainLaneAndGroup => uint256 statuses) private _outcomes;

    /// @param registry_ The list of programmes.
    /// @param clearingHouse_ Where debts are kept; this contract needs its EXCHANGE_ROLE.
    /// @param noticePeriod_ Least time between an agreement and the change of terms in force, in seconds.
    /// @param admin First DEFAULT_ADMIN, which links gateways and grants PAUSER_ROLE and GUARDIAN_ROLE.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(
        address registry_,
        address clearingHouse_,
        uint256 noticePeriod_,
        address admin,
        uint48 adminDelay
    )
        ExchangeControl(registry_, admin, adminDelay)
        ExchangeLanes(noticePeriod_)
        ExchangeLegs(clearingHouse_)
    {}

    /// @inheritdoc ICrosschainExchange
    function declareHome(bytes32 programmeId, uint256 chainId) external nonReentrant {
        _authorize(programmeId, _tokenOf(programmeId), LANE_ROLE);
        if (chainId == 0 || chainId == block.chainid) revert InvalidHome(programmeId, chainId);
        uint256 home = _homes[programmeId];
        if (home != 0) revert HomeAlreadyDeclared(programmeId, home);
        _setHome(programmeId, chainId);
    }

    /// @inheritdoc ICrosschainExchange
    function link(uint256 chainId, address gateway, address counterpart) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (chainId == 0 || chainId == block.chainid || gateway.code.length == 0 || counterpart == address(0)) {
            revert InvalidLink(chainId, gateway, counterpart);
        }
        Link storage linked = _links[chainId];
        if (linked.gateway != address(0)) revert LinkAlreadyRegistered(chainId);
        bytes memory interoperable = ChainAddress.format(chainId, counterpart);
        (linked.gateway, linked.counterpart) = (gateway, counterpart);
        _chains[keccak256(interoperable)] = chainId;
        emit LinkRegistered(gateway, interoperable);
    }

    /// @inheritdoc ICrosschainExchange
    function halt(bytes32 laneId) external nonReentrant onlyRole(GUARDIAN_ROLE) {
        _endTerms(laneId, _knownLane(laneId), 0);
    }

    /// @inheritdoc ICrosschainExchange
    function homeOf(bytes32 programmeId) external view returns (uint256) {
        return _homeOf(programmeId);
    }

    /// @inheritdoc ICrosschainExchange
    function linkOf(uint256 chainId) external view returns (address gateway, address counterpart) {
        return (_links[chainId].gateway, _links[chainId].counterpart);
    }

    /// @inheritdoc ICrosschainExchange
    function sentCount(bytes32 laneId) external view returns (uint256) {
        return _sent[laneId];
    }

    /// @inheritdoc ICrosschainExchange
    function outcomeOf(bytes32 laneId, uint256 number) external view returns (SwapStatus) {
        return _outcome(_homeOf(_lanes[laneId].source), laneId, number);
    }

    /// @dev What is sent when the points are burnt is what the destination mints or sends back.
    // slither-disable-next-line reentrancy-events // the gateway's id is known after the call; entry points are nonReentrant
    function _afterBurn(
        OpenLane memory lane,
        address,
        address account,
        SwapRequest calldata request,
        Quote calldata quote,
        BurntSwap memory burnt
    ) internal override {
        _countOut(lane, burnt.pointsOut);
        if (!lane.terms.carryExpiry) burnt.calendar = _calendarOf(_tokenOf(lane.source));
        CrosschainSwap memory sent = CrosschainSwap({
            swapId: burnt.swapId,
            laneId: lane.id,
            number: ++_sent[lane.id],
            account: account,
            to: burnt.to,
            pointsIn: ExpiryCarrying.total(burnt.lots),
            pointsOut: burnt.pointsOut,
            bonusBps: quote.quoteId == 0 ? 0 : quote.bonusBps,
            deadline: request.deadline,
            epochLength: burnt.calendar.epochLength,
            validity: burnt.calendar.validity,
            lots: burnt.lots
        });
        bytes memory payload = abi.encode(MessageKind.Refund, sent);
        _setPending(sent.swapId, keccak256(payload));
        _setKind(payload, MessageKind.Mint);
        bytes32 messageId = _send(_homeOf(lane.destination), payload);
        emit SwapSent(sent.swapId, sent.laneId, messageId, sent);
    }

    /// @dev Authenticated: the counterpart of a linked chain sent it.
    // slither-disable-next-line msg-value-in-nonpayable // its caller, receiveMessage, is payable
    function _processMessage(address, bytes32, bytes calldata sender, bytes calldata payload)
        internal
        override
        nonReentrant
    {
        if (msg.value != 0) revert InvalidMessage();
        uint256 chainId = _chains[keccak256(sender)];
        (MessageKind kind, CrosschainSwap calldata arrived) = _read(payload);
        if (kind == MessageKind.Mint) _arrive(chainId, arrived, payload);
        else _refund(chainId, arrived, keccak256(payload));
    }

    /// @dev No link is for chain 0, which is that of unknown senders.
    function _isAuthorizedGateway(address gateway, bytes calldata sender) internal view override returns (bool) {
        return gateway != address(0) && gateway == _links[_chains[keccak256(sender)]].gateway;
    }

    function _checkAgreement(bytes32 source, bytes32 destination, bytes32 party, LaneTerms memory terms)
        internal
        override
    {
        if ((_homeOf(source) == block.chainid) == (_homeOf(destination) == block.chainid)) {
            revert NotCrosschain(source, destination);
        }
        if (terms.posted) revert InvalidLaneTerms(terms);
        // From here on the lane's id cannot change.
        if (_homes[party] == 0) _setHome(party, block.chainid);
    }

    function _checkRequest(OpenLane memory lane, SwapRequest calldata request) internal view override {
        if (_homeOf(lane.source) != block.chainid) revert NotCrosschain(lane.source, lane.destination);
        if (request.to == address(0)) revert InvalidReceiver(request.to);
        uint256 latest = block.timestamp + MAX_TRANSIT;
        if (request.deadline > latest) revert DeadlineTooFar(request.deadline, latest);
    }

    function _homeOf(bytes32 programmeId) internal view override returns (uint256 chainId) {
        chainId = _homes[programmeId];
        if (chainId == 0) return block.chainid;
    }

    /// @dev Mints what was burnt on `chainId`, or refuses it. A known lane has exactly one side at home here, so one that
    /// comes from its source's home, which is another chain, ends here.
    function _arrive(uint256 chainId, CrosschainSwap calldata arrived, bytes calldata payload) private {
        bytes32 laneId = arrived.laneId;
        LaneRecord storage record = _lanes[laneId];
        bytes32 source = record.source;
        if (source != 0 && _homeOf(source) != chainId) revert WrongRoute(laneId, chainId);
        if (_outcome(chainId, laneId, arrived.number) != SwapStatus.None) {
            revert AlreadyArrived(laneId, arrived.number);
        }

        LaneState memory state = record.load();
        (bool refused, RefusalReason reason, uint256 settlement) = _judge(state, arrived);
        if (refused) return _refuse(chainId, arrived, payload, reason);
        _setOutcome(chainId, arrived, SwapStatus.Completed);
        _mint(OpenLane(laneId, source, record.destination, state.version, state.terms), arrived, settlement);
    }

    /// @dev The mint leg, which is that of one chain.
    function _mint(OpenLane memory lane, CrosschainSwap calldata arrived, uint256 settlement) private {
        _requireNotPaused();
        _activeToken(lane.source);
        address token = _activeToken(lane.destination);
        address to = arrived.to;
        if (to == address(0) || to == address(this) || to == token) revert InvalidReceiver(to);
        BurntSwap memory burnt = BurntSwap({
            swapId: arrived.swapId,
            to: to,
            pointsOut: arrived.pointsOut,
            settlement: settlement,
            lots: arrived.lots,
            calendar: Calendar(arrived.epochLength, arrived.validity)
        });
        if (ExpiryCarrying.total(burnt.lots) != arrived.pointsIn) revert InvalidMessage();
        _mintLeg(lane, token, burnt);
    }

    /// @dev Sends a swap back as it came.
    // slither-disable-next-line reentrancy-events // the gateway's id is known after the call; nonReentrant
    function _refuse(
        uint256 chainId,
        CrosschainSwap calldata arrived,
        bytes memory payload,
        RefusalReason reason
    ) private {
        _setOutcome(chainId, arrived, SwapStatus.Refunded);
        _setKind(payload, MessageKind.Refund);
        bytes32 messageId = _send(chainId, payload);
        emit SwapRefused(arrived.swapId, arrived.laneId, messageId, reason);
    }

    /// @dev Gives back what was burnt here. Every swap that was minted is pending here too, so a gateway that lies could refund
    /// all of them: the lane's cap bounds it. Whatever its size a refund passes while the cap is not reached, so that neither a low
    /// cap nor other people's small refunds lock a large one in.
    // slither-disable-next-line reentrancy-events // what is restored is known after the call; nonReentrant
    function _refund(uint256 chainId, CrosschainSwap calldata sent, bytes32 payloadHash) private {
        bytes32 laneId = sent.laneId;
        LaneRecord storage lane = _lanes[laneId];
        bytes32 source = lane.source;
        if (source == 0 || _homeOf(lane.destination) != chainId) revert WrongRoute(laneId, chainId);
        _requirePending(sent.swapId, payloadHash);
        uint256 volumes = _refunds[laneId];
        uint256 used = SlidingCap.used(volumes, block.timestamp);
        uint256 cap = lane.load().terms.dailyCapOut;
        if (used != 0 && used >= cap) revert RefundCapExceeded(laneId, used, cap);

        // No more than the word can count.
        uint256 counted = Math.min(sent.pointsOut, SlidingCap.MAX_CAP - used);
        _refunds[laneId] = SlidingCap.count(volumes, counted, block.timestamp);
        _setStatus(sent.swapId, SwapStatus.Refunded);
        address account = sent.account;
        (Lot[] memory restored, uint256 expiredAmount) = _restoreLots(_tokenOf(source), account, sent.lots);
        emit SwapRefunded(sent.swapId, laneId, account, restored, expiredAmount);
    }

    function _send(uint256 chainId, bytes memory payload) private returns (bytes32) {
        Link storage linked = _links[chainId];
        if (linked.gateway == address(0)) revert NotLinked(chainId);
        bytes memory counterpart = ChainAddress.format(chainId, linked.counterpart);
        return IERC7786GatewaySource(linked.gateway).sendMessage(counterpart, payload, new bytes[](0));
    }

    function _setHome(bytes32 programmeId, uint256 chainId) private {
        _homes[programmeId] = chainId;
        emit HomeDeclared(programmeId, chainId);
    }

    function _setOutcome(uint256 chainId, CrosschainSwap calldata arrived, SwapStatus status) private {
        (bytes32 key, uint256 shift) = _placeOf(chainId, arrived.laneId, arrived.number);
        _outcomes[key] |= uint256(status) << shift;
    }

    function _outcome(uint256 chainId, bytes32 laneId, uint256 number) private view returns (SwapStatus) {
        (bytes32 key, uint256 shift) = _placeOf(chainId, laneId, number);
        return SwapStatus((_outcomes[key] >> shift) & 3);
    }

    /// @dev Where the outcome of a swap is kept.
    function _placeOf(uint256 chainId, bytes32 laneId, uint256 number) private pure returns (bytes32 key, uint256 shift) {
        return (keccak256(abi.encode(chainId, laneId, number >> 7)), (number & 127) << 1);
    }

    /// @dev Whether a lane in this state refuses a swap and why, or else what is owed for it: the terms in force must give exactly
    /// what was burnt for.
    function _judge(LaneState memory state, CrosschainSwap calldata arrived)
        private
        view
        returns (bool refused, RefusalReason reason, uint256 settlement)
    {
        if (block.timestamp > arrived.deadline) return (true, RefusalReason.DeadlinePast, 0);
        if (!state.isOpen()) return (true, RefusalReason.LaneNotOpen, 0);
        uint256 pointsIn = arrived.pointsIn;
        bool inRange = pointsIn >= state.terms.minimumIn && pointsIn <= LanePricing.MAX_POINTS
            && arrived.bonusBps <= state.terms.maxBonusBps;
        if (!inRange) return (true, RefusalReason.PriceDiffers, 0);
        Price memory priced = LanePricing.price(state.terms, pointsIn, arrived.bonusBps);
        bool agrees = priced.pointsOut == arrived.pointsOut && priced.pointsIn == pointsIn && priced.pointsOut != 0
            && priced.pointsOut <= LanePricing.MAX_POINTS;
        return (!agrees, RefusalReason.PriceDiffers, priced.settlement);
    }

    /// @dev Reads `abi.encode(MessageKind, CrosschainSwap)`, as counterparts write it, where it lies.
    // slither-disable-next-line assembly // points at what follows the two words that were checked
    function _read(bytes calldata payload) private pure returns (MessageKind kind, CrosschainSwap calldata swapped) {
        uint256 kindWord;
        uint256 offset;
        assembly ("memory-safe") {
            kindWord := calldataload(payload.offset)
            offset := calldataload(add(payload.offset, 0x20))
            swapped := add(payload.offset, 0x40)
        }
        if (offset != 0x40) revert InvalidMessage();
        kind = MessageKind(kindWord);
    }

    /// @dev Makes a payload ask for something else: a swap goes back as it came but for this byte.
    // slither-disable-next-line assembly // the last byte of the first word, which every payload has
    function _setKind(bytes memory payload, MessageKind kind) private pure {
        assembly ("memory-safe") {
            mstore8(add(payload, 0x3f), kind)
        }
    }

    // slither-disable-end timestamp
}
