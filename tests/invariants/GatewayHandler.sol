// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {AttestedGateway} from "../../contracts/bridge/AttestedGateway.sol";
import {Batch, IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {Application, GatewayRig} from "./GatewayRig.sol";
import {MessageTree} from "./MessageTree.sol";

/// @notice Two chains that send to a third, whose blocks are delivered in any order, in parts, twice or never, while recipients
/// refuse, attesters change and the gateway is paused. Keeps a model of every message, and checks that each call is accepted or
/// refused as the model says.
contract GatewayHandler is GatewayRig {
    enum Fate { Waiting, Failed, Taken }

    struct Sent {
        uint256 route;
        Message message;
        bytes32 id;
        Fate fate;
    }

    struct Block {
        uint256 route;
        uint256 first;
        uint256 count;
    }

    uint256 private constant OTHER = 5;
    uint256 private constant MOST = 60;

    AttestedGateway private _other;
    Sent[] private _sent;
    Block[] private _blocks;
    uint256[2] private _counts;
    bool[2] private _refusing;
    bool private _paused;
    /// @dev First key of the set in force, of the one that waits, and from when that one is in force.
    uint256 private _set;
    uint256 private _nextSet;
    uint256 private _nextFrom;

    uint256 public deliveries;
    uint256 public retries;
    uint256 public rotations;

    constructor() {
        _setUpGateways();
        vm.chainId(OTHER);
        _other = _deployGateway();
        _other.setRemote(DESTINATION, address(destination));
        _other.setApplication(address(senders[0]), true);
        _other.setApplication(address(senders[1]), true);
        vm.chainId(DESTINATION);
        destination.setRemote(OTHER, address(_other));
    }

    // What happens.

    function send(uint256 route, uint256 count, uint256 seed) external {
        route %= 2;
        count = count % 6 + 1;
        if (_sent.length + count > MOST) return;
        _blocks.push(Block(route, _sent.length, count));
        vm.chainId(_chain(route));
        for (uint256 i = 0; i < count; ++i) {
            bytes memory payload = abi.encode(seed);
            address to = address(receivers[seed >> i & 1]);
            Application sender = senders[seed >> i >> 8 & 1];
            bytes32 id = sender.send(_gateway(route), InteroperableAddress.formatEvmV1(DESTINATION, to), payload);
            _sent.push(Sent(route, Message(++_counts[route], address(sender), to, payload), id, Fate.Waiting));
        }
        vm.chainId(DESTINATION);
        for (uint256 i = _sent.length - count; i < _sent.length; ++i) {
            bytes32 id = _idOn(_chain(route), address(_gateway(route)), _sent[i].message);
            _true(_sent[i].id == id, "the id of what was sent");
        }
    }

    /// @dev A part of any block, old or new, signed by four keys in a row, which are attesters or not.
    function deliver(uint256 number, uint256 mask, uint256 firstKey) external {
        if (_blocks.length == 0) return;
        _deliver(number % _blocks.length, mask, firstKey % 3 == 0 ? firstKey % 8 : _inForce());
    }

    /// @dev A part of a block in which one message is not what was sent.
    function forge(uint256 number, uint256 which, uint256 mask) external {
        if (_blocks.length == 0) return;
        Block memory one = _blocks[number % _blocks.length];
        (Batch memory batch, Message[] memory messages) = _whole(one);
        Message memory message = messages[which % one.count];
        if (mask % 4 == 0) message.nonce += 1 + mask % 7;
        if (mask % 4 == 1) message.sender = address(uint160(message.sender) + 1);
        if (mask % 4 == 2) message.recipient = address(receivers[message.recipient == address(receivers[0]) ? 1 : 0]);
        if (mask % 4 == 3) message.payload = abi.encode("more points, please");
        bytes memory delivery = _delivery(batch, messages, _sign(batch, _inForce(), THRESHOLD));
        (bool succeeded,) = address(destination).call(delivery);
        _true(!succeeded, "a forged message is refused");
    }

    function retry(uint256 number) external {
        if (_sent.length == 0) return;
        _retry(number % _sent.length);
    }

    function refuse(uint256 receiver, bool refusing) external {
        _refusing[receiver % 2] = refusing;
        receivers[receiver % 2].refuse(refusing);
    }

    /// @dev Paused for a quarter of the changes, so that something happens in between.
    function pause(uint256 seed) external {
        _setPaused(seed % 4 == 0);
    }

    function rotate(uint256 firstKey, uint256 elapsed) external {
        _set = _inForce();
        _nextSet = firstKey % 8;
        _nextFrom = block.timestamp + DELAY;
        destination.proposeAttesters(_addresses(_nextSet, MEMBERS), THRESHOLD);
        vm.warp(block.timestamp + elapsed % (2 * DELAY));
        ++rotations;
    }

    /// @dev Nothing stands in the way any more, and somebody delivers and retries everything.
    function finish() external {
        _setPaused(false);
        for (uint256 i = 0; i < 2; ++i) {
            _refusing[i] = false;
            receivers[i].refuse(false);
        }
        for (uint256 i = _blocks.length; i > 0; --i) {
            _deliver(i - 1, type(uint256).max, _inForce());
        }
        for (uint256 i = 0; i < _sent.length; ++i) {
            _retry(i);
            _true(_sent[i].fate == Fate.Taken, "everything arrives in the end");
        }
    }

    // What must be true.

    function check() external view {
        uint256 taken = 0;
        for (uint256 i = 0; i < _sent.length; ++i) {
            Sent storage one = _sent[i];
            uint256 times = Application(one.message.recipient).received(one.id);
            _equal(times, one.fate == Fate.Taken ? 1 : 0, "times received");
            bool seen = destination.isSeen(_chain(one.route), one.message.nonce);
            _true(seen == (one.fate != Fate.Waiting), "seen");
            _true(destination.isFailed(one.id) == (one.fate == Fate.Failed), "failed");
            taken += times;
        }
        _equal(receivers[0].count() + receivers[1].count(), taken, "nothing was received that was not sent");
        for (uint256 route = 0; route < 2; ++route) {
            _equal(_gateway(route).sentCount(DESTINATION), _counts[route], "sent");
            uint256 next = _counts[route] + 1;
            _true(!destination.isSeen(_chain(route), 0), "nonces begin at one");
            _true(!destination.isSeen(_chain(route), next), "nothing is seen that was not sent");
        }
    }

    function _deliver(uint256 number, uint256 mask, uint256 firstKey) private {
        Block memory one = _blocks[number];
        (Batch memory batch, Message[] memory messages) = _whole(one);
        (bytes memory data, uint256 fresh) = _part(one, batch, messages, mask, firstKey);
        uint256 inForce = _inForce();
        // Of five in a row, four in a row are two selections.
        bool signed = firstKey == inForce || firstKey == inForce + 1;
        (bool succeeded, bytes memory answer) = address(destination).call(data);
        _true(succeeded == (signed && fresh != 0 && !_paused), "a delivery is accepted when it should be");
        if (!succeeded) return;
        uint256 taken = 0;
        for (uint256 i = 0; i < one.count; ++i) {
            Sent storage sent = _sent[one.first + i];
            if (!_isPicked(mask, i) || sent.fate != Fate.Waiting) continue;
            sent.fate = _isRefused(sent) ? Fate.Failed : Fate.Taken;
            if (sent.fate == Fate.Taken) ++taken;
        }
        _equal(abi.decode(answer, (uint256)), taken, "delivered");
        deliveries += fresh;
    }

    function _retry(uint256 number) private {
        Sent storage sent = _sent[number];
        bool possible = sent.fate == Fate.Failed && !_paused && !_isRefused(sent);
        bytes memory data = abi.encodeCall(IAttestedGateway.retry, (_chain(sent.route), sent.message));
        (bool succeeded,) = address(destination).call(data);
        _true(succeeded == possible, "a retry is accepted when it should be");
        if (!succeeded) return;
        sent.fate = Fate.Taken;
        ++retries;
    }

    function _setPaused(bool paused) private {
        if (_paused == paused) return;
        _paused = paused;
        if (paused) destination.pause();
        else destination.unpause();
    }

    /// @dev The call that delivers the messages that `mask` picks, and how many of them are new.
    function _part(Block memory one, Batch memory batch, Message[] memory messages, uint256 mask, uint256 firstKey)
        private
        view
        returns (bytes memory data, uint256 fresh)
    {
        bool[] memory picked = new bool[](one.count);
        Message[] memory some = new Message[](one.count);
        bytes32[] memory leaves = new bytes32[](one.count);
        uint256 count = 0;
        for (uint256 i = 0; i < one.count; ++i) {
            leaves[i] = _sent[one.first + i].id;
            picked[i] = _isPicked(mask, i);
            if (!picked[i]) continue;
            some[count++] = messages[i];
            if (_sent[one.first + i].fate == Fate.Waiting) ++fresh;
        }
        assembly ("memory-safe") {
            mstore(some, count)
        }
        (bytes32[] memory proof, bool[] memory flags) = MessageTree.proofOf(leaves, picked);
        bytes[] memory signatures = _sign(batch, firstKey, THRESHOLD);
        data = abi.encodeCall(IAttestedGateway.deliver, (batch, some, proof, flags, signatures));
    }

    function _whole(Block memory one) private view returns (Batch memory batch, Message[] memory messages) {
        messages = new Message[](one.count);
        bytes32[] memory leaves = new bytes32[](one.count);
        for (uint256 i = 0; i < one.count; ++i) {
            messages[i] = _sent[one.first + i].message;
            leaves[i] = _sent[one.first + i].id;
        }
        batch = Batch(_chain(one.route), address(_gateway(one.route)), one.first, MessageTree.root(leaves));
    }

    /// @dev The first of a block is picked in any case.
    function _isPicked(uint256 mask, uint256 position) private pure returns (bool) {
        return position == 0 || mask >> position & 1 == 1;
    }

    function _isRefused(Sent storage sent) private view returns (bool) {
        return _refusing[sent.message.recipient == address(receivers[0]) ? 0 : 1];
    }

    function _inForce() private view returns (uint256) {
        return _nextFrom != 0 && block.timestamp >= _nextFrom ? _nextSet : _set;
    }

    function _chain(uint256 route) private pure returns (uint256) {
        return route == 0 ? SOURCE : OTHER;
    }

    function _gateway(uint256 route) private view returns (AttestedGateway) {
        return route == 0 ? source : _other;
    }
}
