// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IExchange, Lane, LaneTerms, Price} from "../interfaces/IExchange.sol";
import {LanePricing} from "../libraries/LanePricing.sol";
import {SlidingCap} from "../libraries/SlidingCap.sol";
import {ExchangeControl} from "./ExchangeControl.sol";
import {LaneRecord, LaneRecords, LaneState} from "./LaneRecords.sol";

/// @notice A lane with terms in force, as a swap sees it.
struct OpenLane {
    bytes32 id;
    bytes32 source;
    bytes32 destination;
    uint32 version;
    LaneTerms terms;
}

/// @title Lanes: proposed by one programme, accepted by the other, stopped by either.
abstract contract ExchangeLanes is ExchangeControl {
    // slither-disable-start timestamp // terms begin and end by block time; seconds of leeway for a validator do not matter

    using LaneRecords for LaneRecord;
    using LaneRecords for LaneState;

    uint256 private constant MAX_BONUS_BPS = 10_000;

    /// @inheritdoc IExchange
    uint256 public immutable noticePeriod;

    // slither-disable-next-line uninitialized-state // written through LaneRecords
    mapping(bytes32 laneId => LaneRecord lane) internal _lanes;
    mapping(bytes32 laneId => mapping(bytes32 proposer => bytes32 termsHash)) private _proposals;

    constructor(uint256 noticePeriod_) {
        noticePeriod = noticePeriod_;
    }

    /// @inheritdoc IExchange
    function propose(bytes32 source, bytes32 destination, bytes32 proposer, LaneTerms memory terms)
        external
        nonReentrant
    {
        _authorizeParty(source, destination, proposer);
        _requireValid(terms, block.timestamp);
        _checkAgreement(source, destination, proposer, terms);

        bytes32 laneId = laneIdOf(source, destination);
        LaneRecord storage lane = _lanes[laneId];
        if (lane.source == 0) {
            lane.source = source;
            lane.destination = destination;
        }
        _proposals[laneId][proposer] = hashTerms(terms);
        emit LaneProposed(laneId, source, destination, proposer, terms);
    }

    /// @inheritdoc IExchange
    function withdrawProposal(bytes32 source, bytes32 destination, bytes32 proposer) external nonReentrant {
        _authorize(proposer, _tokenOf(proposer), LANE_ROLE);
        bytes32 laneId = laneIdOf(source, destination);
        if (_proposals[laneId][proposer] == 0) revert ProposalMismatch(laneId, 0);

        delete _proposals[laneId][proposer];
        emit ProposalWithdrawn(laneId, proposer);
    }

    /// @inheritdoc IExchange
    function accept(bytes32 source, bytes32 destination, bytes32 acceptor, LaneTerms memory terms)
        external
        nonReentrant
    {
        _authorizeParty(source, destination, acceptor);
        _checkAgreement(source, destination, acceptor, terms);
        bytes32 laneId = laneIdOf(source, destination);
        bytes32 termsHash = hashTerms(terms);
        if (_proposals[laneId][acceptor == source ? destination : source] != termsHash) {
            revert ProposalMismatch(laneId, termsHash);
        }
        _requireNoGain(laneId, laneIdOf(destination, source), terms);

        _endProposals(laneId, source, destination);
        _agree(laneId, terms);
    }

    /// @inheritdoc IExchange
    function stop(bytes32 source, bytes32 destination, bytes32 programmeId) external nonReentrant {
        bytes32 laneId = laneIdOf(source, destination);
        LaneRecord storage lane = _knownLane(laneId);
        if (programmeId != source && programmeId != destination) revert NotAuthorized(programmeId, _msgSender());
        address token = _tokenOf(programmeId);
        if (!_hasTokenRole(token, PAUSER_ROLE, _msgSender())) _authorize(programmeId, token, LANE_ROLE);

        _endTerms(laneId, lane, programmeId);
    }

    /// @inheritdoc IExchange
    function laneOf(bytes32 laneId) external view returns (Lane memory lane) {
        LaneRecord storage record = _lanes[laneId];
        LaneState memory state = record.load();
        lane.source = record.source;
        lane.destination = record.destination;
        lane.version = state.version;
        lane.open = state.isOpen();
        lane.terms = state.terms;
        if (state.nextFrom != 0) {
            lane.nextVersion = state.agreements;
            lane.nextFrom = state.nextFrom;
            lane.next = LaneRecords.unpack(record.nextNumbers, record.nextRest);
        }
    }

    /// @inheritdoc IExchange
    function proposalOf(bytes32 laneId, bytes32 proposer) external view returns (bytes32) {
        return _proposals[laneId][proposer];
    }

    /// @inheritdoc IExchange
    function availableOut(bytes32 laneId) external view returns (uint256) {
        LaneRecord storage lane = _lanes[laneId];
        LaneState memory state = lane.load();
        uint256 used = SlidingCap.used(lane.volumes, block.timestamp);
        return state.isOpen() ? Math.saturatingSub(state.terms.dailyCapOut, used) : 0;
    }

    /// @inheritdoc IExchange
    function price(bytes32 laneId, uint256 maxIn, uint256 bonusBps) external view returns (Price memory) {
        return _price(_openLane(laneId).terms, maxIn, bonusBps);
    }

    /// @inheritdoc IExchange
    function laneIdOf(bytes32 source, bytes32 destination) public view returns (bytes32) {
        return keccak256(abi.encode(_homeOf(source), source, _homeOf(destination), destination));
    }

    /// @inheritdoc IExchange
    function hashTerms(LaneTerms memory terms) public pure returns (bytes32) {
        return keccak256(abi.encode(terms));
    }

    /// @dev Reverts when this exchange cannot have such a lane. `party` is who proposes or accepts it.
    function _checkAgreement(bytes32 source, bytes32 destination, bytes32 party, LaneTerms memory terms)
        internal
        virtual;

    /// @dev Id of the chain on which the programme's points live.
    function _homeOf(bytes32 programmeId) internal view virtual returns (uint256);

    /// @dev The lane in storage, which must have been proposed at least once.
    function _knownLane(bytes32 laneId) internal view returns (LaneRecord storage lane) {
        lane = _lanes[laneId];
        if (lane.source == 0) revert LaneNotOpen(laneId);
    }

    /// @dev The lane, which must have terms in force.
    function _openLane(bytes32 laneId) internal view returns (OpenLane memory lane) {
        LaneRecord storage record = _lanes[laneId];
        LaneState memory state = record.load();
        if (!state.isOpen()) revert LaneNotOpen(laneId);
        lane.id = laneId;
        lane.source = record.source;
        lane.destination = record.destination;
        lane.version = state.version;
        lane.terms = state.terms;
    }

    /// @dev What a swap of at most `maxIn` points comes to; reverts when it is too small or too large, whatever the balance.
    function _price(LaneTerms memory terms, uint256 maxIn, uint256 bonusBps) internal pure returns (Price memory priced) {
        if (bonusBps > terms.maxBonusBps) revert BonusTooHigh(bonusBps, terms.maxBonusBps);
        if (maxIn > LanePricing.MAX_POINTS) revert InvalidSwapAmount(maxIn);
        priced = LanePricing.price(terms, maxIn, bonusBps);
        if (priced.pointsOut == 0 || priced.pointsOut > LanePricing.MAX_POINTS) revert InvalidSwapAmount(maxIn);
        if (priced.pointsIn < terms.minimumIn) revert BelowMinimum(priced.pointsIn, terms.minimumIn);
    }

    /// @dev Counts points out against the lane's cap.
    function _countOut(OpenLane memory lane, uint256 pointsOut) internal {
        LaneRecord storage record = _lanes[lane.id];
        uint256 volumes = record.volumes;
        uint256 used = SlidingCap.used(volumes, block.timestamp);
        uint256 cap = lane.terms.dailyCapOut;
        if (used + pointsOut > cap) revert DailyCapExceeded(lane.id, pointsOut, Math.saturatingSub(cap, used));
        record.volumes = SlidingCap.count(volumes, pointsOut, block.timestamp);
    }

    /// @dev Ends the terms of a known lane, those to come and both proposals.
    /// @param by Who stopped it, for the log.
    function _endTerms(bytes32 laneId, LaneRecord storage lane, bytes32 by) internal {
        LaneState memory state = lane.load();
        state.agreed = false;
        state.nextFrom = 0;
        lane.store(state);
        _endProposals(laneId, lane.source, lane.destination);
        emit LaneStopped(laneId, by);
    }

    function _endProposals(bytes32 laneId, bytes32 source, bytes32 destination) private {
        delete _proposals[laneId][source];
        delete _proposals[laneId][destination];
    }

    /// @dev Puts terms in force, at once where none are, else after the notice period.
    function _agree(bytes32 laneId, LaneTerms memory terms) private {
        LaneRecord storage lane = _lanes[laneId];
        LaneState memory state = lane.load();
        uint256 effectiveFrom = block.timestamp;
        uint32 version = ++state.agreements;
        if (state.isOpen()) {
            effectiveFrom += noticePeriod;
            _requireValid(terms, effectiveFrom);
            state.nextFrom = SafeCast.toUint48(effectiveFrom);
            (lane.nextNumbers, lane.nextRest) = LaneRecords.pack(terms);
        } else {
            _requireValid(terms, effectiveFrom);
            state.terms = terms;
            state.version = version;
            state.nextFrom = 0;
            state.agreed = true;
        }
        lane.store(state);
        emit LaneAgreed(laneId, version, effectiveFrom, terms);
    }

    /// @dev Reverts unless both programmes are active and the caller acts for `party`, one of the two.
    function _authorizeParty(bytes32 source, bytes32 destination, bytes32 party) private view {
        if (source == destination) revert SameProgramme(source);
        if (party != source && party != destination) revert NotAuthorized(party, _msgSender());
        address sourceToken = _activeToken(source);
        address destinationToken = _activeToken(destination);
        _authorize(party, party == source ? sourceToken : destinationToken, LANE_ROLE);
    }

    /// @dev Terms that coexist with those of the opposite lane, now or after somebody's notice period, must not gain with them.
    function _requireNoGain(bytes32 laneId, bytes32 oppositeId, LaneTerms memory terms) private view {
        LaneRecord storage opposite = _lanes[oppositeId];
        LaneState memory state = opposite.load();
        bool gains = state.isOpen() && LanePricing.roundTripGains(terms, state.terms);
        if (state.nextFrom != 0) {
            LaneTerms memory next = LaneRecords.unpack(opposite.nextNumbers, opposite.nextRest);
            gains = gains || LanePricing.roundTripGains(terms, next);
        }
        if (gains) revert RoundTripGains(laneId);
    }

    function _requireValid(LaneTerms memory terms, uint256 effectiveFrom) private pure {
        bool valid = terms.rateNumerator != 0 && terms.rateDenominator != 0 && terms.feeBps < LanePricing.BPS
            && terms.maxBonusBps <= MAX_BONUS_BPS && terms.minimumIn != 0 && terms.dailyCapOut <= SlidingCap.MAX_CAP
            && terms.validUntil >= effectiveFrom;
        if (!valid) revert InvalidLaneTerms(terms);
    }

    // slither-disable-end timestamp
}
