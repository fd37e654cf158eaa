// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {AttestedGateway} from "../../contracts/bridge/AttestedGateway.sol";
import {Batch, IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {GatewayRig} from "./GatewayRig.sol";
import {MessageTree} from "./MessageTree.sol";
import {Log} from "./Vm.sol";

/// @notice Delivering: what was attested and nothing else, each message once.
/// forge-config: default.fuzz.runs = 200
contract AttestedGatewayDelivery is GatewayRig {
    bytes4 private constant INVALID_PROOF = IAttestedGateway.InvalidProof.selector;

    function setUp() external {
        _setUpGateways();
    }

    function test_aMessageArrivesAsItWasSent() external {
        Message memory message = _sendOne(0, 1, "hello");
        vm.recordLogs();
        _equal(_deliver(_one(message)), 1, "delivered");
        Log[] memory logs = vm.getRecordedLogs();
        _equal(logs.length, 1, "logs");
        _true(logs[0].topics[0] == IAttestedGateway.MessageDelivered.selector, "MessageDelivered");
        _true(logs[0].topics[1] == _idOf(message), "id");
        _equal(uint256(logs[0].topics[2]), SOURCE, "source chain");
        _equal(uint256(logs[0].topics[3]), 1, "nonce");
        bytes memory from = InteroperableAddress.formatEvmV1(SOURCE, message.sender);
        _true(keccak256(receivers[1].lastSender()) == keccak256(from), "sender");
        _true(keccak256(receivers[1].lastPayload()) == keccak256("hello"), "payload");
        _checkReceived(_one(message), 1);
    }

    function test_idAndDigestAreTheOnesOfTheInterface() external {
        Message[] memory messages = _send(3);
        Batch memory batch = _batchOf(messages);
        _true(
            destination.messageIdOf(SOURCE, address(source), DESTINATION, address(destination), messages[2])
                == _idOf(messages[2]),
            "id"
        );
        _true(destination.batchDigest(batch) == _digest(batch, DESTINATION, address(destination)), "digest");
    }

    function test_eachSenderOfABatchIsToldRight() external {
        Message[] memory messages = _send(8);
        for (uint256 i = 0; i < 8; ++i) {
            Batch memory batch = _batchOf(messages);
            bool[] memory picked = new bool[](8);
            picked[i] = true;
            _deliverPicked(batch, messages, picked);
            bytes memory from = InteroperableAddress.formatEvmV1(SOURCE, messages[i].sender);
            _true(keccak256(receivers[i / 2 % 2].lastSender()) == keccak256(from), "sender");
        }
        Message[] memory alternating = _send(4);
        _deliver(alternating);
        bytes memory last = InteroperableAddress.formatEvmV1(SOURCE, alternating[3].sender);
        _true(keccak256(receivers[1].lastSender()) == keccak256(last), "sender after another");
    }

    // One field of a message or of a batch is not what was attested.

    function testFuzz_noFieldOfAMessageCanBeChanged(uint256 which, uint256 field, uint256 mask) external {
        Message[] memory messages = _send(5);
        Batch memory batch = _batchOf(messages);
        Message memory message = messages[which % 5];
        uint160 mask160 = uint160(mask % type(uint160).max + 1);
        field %= 6;
        if (field == 0) message.nonce ^= mask == 0 ? 1 : mask;
        if (field == 1) message.sender = address(uint160(message.sender) ^ mask160);
        if (field == 2) message.recipient = address(uint160(message.recipient) ^ mask160);
        if (field == 3) message.payload = bytes.concat(message.payload, bytes1(uint8(mask)));
        if (field == 4) message.payload[mask % message.payload.length] ^= bytes1(uint8(mask % 255 + 1));
        if (field == 5) message.payload = "";
        _refused(_delivery(batch, messages, _sign(batch, 0, THRESHOLD)), _error(INVALID_PROOF), "changed message");
    }

    function testFuzz_noFieldOfABatchCanBeChanged(uint256 field, uint256 mask) external {
        Message[] memory messages = _send(3);
        Batch memory batch = _batchOf(messages);
        bytes[] memory signatures = _sign(batch, 0, MEMBERS);
        mask = mask == 0 ? 1 : mask;
        // Another chain's gateway may have the same address: then the signatures must tell the two apart.
        uint256 other = SOURCE ^ mask;
        bool known = other != 0 && other != DESTINATION;
        if (known) destination.setRemote(other, address(source));
        field %= 4;
        if (field == 0) batch.sourceChain = other;
        if (field == 1) batch.sourceGateway = address(uint160(batch.sourceGateway) ^ uint160(mask | 1));
        if (field == 2) batch.blockNumber ^= mask;
        if (field == 3) batch.root ^= bytes32(mask);
        (bool succeeded, bytes memory reason) =
            address(destination).call(_delivery(batch, messages, signatures));
        _true(!succeeded, "a changed batch is refused");
        bool unknown = field == 1 || (field == 0 && !known);
        if (unknown) _true(bytes4(reason) == IAttestedGateway.UnknownRemote.selector, "unknown remote");
        else _true(_isOfSignatures(bytes4(reason)), "signatures over another batch");
        _checkReceived(messages, 0);
    }

    function test_deliver__unknownChain__isRefused() external {
        Message[] memory messages = _send(2);
        Batch memory batch = _batchOf(messages);
        (batch.sourceChain, batch.sourceGateway) = (7, address(0));
        _refused(
            _delivery(batch, messages, _sign(batch, 0, THRESHOLD)),
            abi.encodeWithSelector(IAttestedGateway.UnknownRemote.selector, 7, address(0)),
            "no remote is registered"
        );
    }

    // Proofs.

    function test_deliver__proofOfTheWrongShape__isRefused() external {
        Message[] memory messages = _send(4);
        Batch memory batch = _batchOf(messages);
        bytes[] memory signatures = _sign(batch, 0, THRESHOLD);
        bytes32[] memory none = new bytes32[](0);
        bytes memory shape = _error(MerkleProof.MerkleProofInvalidMultiproof.selector);
        for (uint256 flags = 0; flags < 6; ++flags) {
            if (flags == 3) continue;
            bool[] memory all = _flags(flags + 1);
            _refused(
                abi.encodeCall(destination.deliver, (batch, messages, none, all, signatures)), shape, "wrong shape"
            );
        }
        bytes32[] memory one = new bytes32[](1);
        _refused(
            abi.encodeCall(destination.deliver, (batch, messages, one, _flags(5), signatures)), shape, "proof too long"
        );
    }

    function test_deliver__noMessages__isRefused() external {
        Batch memory batch = _batchOf(_send(2));
        Message[] memory none = new Message[](0);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = batch.root;
        _refused(
            abi.encodeCall(destination.deliver, (batch, none, proof, new bool[](0), _sign(batch, 0, THRESHOLD))),
            _error(IAttestedGateway.NothingToDeliver.selector),
            "a proof of nothing"
        );
        batch.root = 0;
        proof[0] = 0;
        _refused(
            abi.encodeCall(destination.deliver, (batch, none, proof, new bool[](0), _sign(batch, 0, THRESHOLD))),
            _error(INVALID_PROOF),
            "a proof of nothing under no root"
        );
    }

    function test_deliver__messagesInAnotherOrder__isRefused() external {
        Message[] memory messages = _send(3);
        Batch memory batch = _batchOf(messages);
        (messages[0], messages[2]) = (messages[2], messages[0]);
        _refused(_delivery(batch, messages, _sign(batch, 0, THRESHOLD)), _error(INVALID_PROOF), "not the tree's order");
    }

    function test_deliver__messageForAnotherGateway__isRefused() external {
        Message[] memory messages = _send(1);
        Batch memory batch = _batchOf(messages);
        batch.root = destination.messageIdOf(SOURCE, address(source), DESTINATION, address(source), messages[0]);
        _refused(_delivery(batch, messages, _sign(batch, 0, THRESHOLD)), _error(INVALID_PROOF), "another gateway's");
        batch.root = destination.messageIdOf(SOURCE, address(source), SOURCE, address(destination), messages[0]);
        _refused(_delivery(batch, messages, _sign(batch, 0, THRESHOLD)), _error(INVALID_PROOF), "another chain's");
    }

    /// @dev Any part of a batch can be delivered first and the rest after it, in pieces that overlap or not.
    /// forge-config: default.fuzz.runs = 60
    function testFuzz_aBatchCanComeInParts(uint256 size, uint256 mask) external {
        size = size % 70 + 1;
        Message[] memory messages = _send(size);
        Batch memory batch = _batchOf(messages);
        bool[] memory picked = new bool[](size);
        uint256 count = 0;
        for (uint256 i = 0; i < size; ++i) {
            picked[i] = mask >> i & 1 == 1 || mask % size == i;
            if (picked[i]) ++count;
        }
        _equal(_deliverPicked(batch, messages, picked), count, "a part");
        for (uint256 i = 0; i < size; ++i) {
            _checkReceived(_one(messages[i]), picked[i] ? 1 : 0);
        }
        bytes memory whole = _delivery(batch, messages, _sign(batch, 0, THRESHOLD));
        if (count < size) {
            uint256 rest = abi.decode(_succeed(address(destination), whole), (uint256));
            _equal(rest, size - count, "the rest");
        }
        _checkReceived(messages, 1);
        _refused(whole, _error(IAttestedGateway.NothingToDeliver.selector), "again");
    }

    // Replays.

    function test_deliver__again__changesNothing() external {
        Message[] memory messages = _send(3);
        _equal(_deliver(messages), 3, "delivered");
        _refused(_delivery(messages), _error(IAttestedGateway.NothingToDeliver.selector), "again");
        _refused(_delivery(_one(messages[1])), _error(IAttestedGateway.NothingToDeliver.selector), "in another batch");
        _checkReceived(messages, 1);
    }

    function test_deliver__onAForkOfTheChain__isRefused() external {
        Message[] memory messages = _send(2);
        bytes memory delivery = _delivery(messages);
        vm.chainId(DESTINATION + 1);
        (bool succeeded, bytes memory reason) = address(destination).call(delivery);
        _true(!succeeded && _isOfSignatures(bytes4(reason)), "refused on the fork");
        vm.chainId(DESTINATION);
        _succeed(address(destination), delivery);
    }

    /// @dev Even when the attesters of the fork sign, what was sent to the original chain has another id.
    function test_deliver__messageOfTheOriginalChainSignedForTheFork__isRefused() external {
        Message[] memory messages = _send(2);
        Batch memory batch = _batchOf(messages);
        bytes[] memory signatures = new bytes[](THRESHOLD);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            signatures[i] = _signature(keys[i], _digest(batch, DESTINATION + 1, address(destination)));
        }
        vm.chainId(DESTINATION + 1);
        _refused(_delivery(batch, messages, signatures), _error(INVALID_PROOF), "refused on the fork");
    }

    function test_deliver__toAGatewayDeployedAnew__isRefused() external {
        Message[] memory messages = _send(2);
        AttestedGateway another = _deployGateway();
        another.setRemote(SOURCE, address(source));
        another.setApplication(address(receivers[0]), true);
        another.setApplication(address(receivers[1]), true);
        (bool succeeded, bytes memory reason) = address(another).call(_delivery(messages));
        _true(!succeeded && _isOfSignatures(bytes4(reason)), "refused by another gateway");
        _deliver(messages);
    }

    /// @dev A message that a fork of the source sends is of another chain.
    function test_deliver__messageFromAForkOfTheSource__isAnotherMessage() external {
        vm.chainId(SOURCE + 1);
        bytes memory to = InteroperableAddress.formatEvmV1(DESTINATION, address(receivers[0]));
        bytes32 forked = senders[0].send(source, to, "hello");
        vm.chainId(DESTINATION);
        Message memory message = Message(1, address(senders[0]), address(receivers[0]), "hello");
        _true(forked != _idOf(message), "another id");
        Batch memory batch = Batch(SOURCE, address(source), block.number, forked);
        _refused(_delivery(batch, _one(message), _sign(batch, 0, THRESHOLD)), _error(INVALID_PROOF), "of the fork");
    }

    // Pausing.

    function test_pause__nothingIsDelivered() external {
        Message[] memory messages = _send(2);
        bytes memory delivery = _delivery(messages);
        destination.pause();
        _refused(delivery, abi.encodeWithSignature("EnforcedPause()"), "paused");
        destination.unpause();
        _succeed(address(destination), delivery);
        _checkReceived(messages, 1);
    }

    function _deliverPicked(Batch memory batch, Message[] memory messages, bool[] memory picked)
        private
        returns (uint256)
    {
        (bytes32[] memory proof, bool[] memory flags) = MessageTree.proofOf(_idsOf(messages), picked);
        Message[] memory some = new Message[](messages.length);
        uint256 count = 0;
        for (uint256 i = 0; i < messages.length; ++i) {
            if (picked[i]) some[count++] = messages[i];
        }
        assembly ("memory-safe") {
            mstore(some, count)
        }
        return destination.deliver(batch, some, proof, flags, _sign(batch, 0, THRESHOLD));
    }

    /// @dev Whoever seems to have signed other words than these is nobody in particular.
    function _isOfSignatures(bytes4 selector) private pure returns (bool) {
        return selector == IAttestedGateway.NotAnAttester.selector || selector == IAttestedGateway.InvalidSignature.selector
            || selector == IAttestedGateway.SignersNotAscending.selector;
    }
}
