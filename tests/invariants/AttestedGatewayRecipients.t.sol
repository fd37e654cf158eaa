// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {Batch, IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {ProgrammeRegistry} from "../../contracts/programmes/ProgrammeRegistry.sol";
import {Application, GatewayRig} from "./GatewayRig.sol";
import {Log} from "./Vm.sol";

/// @notice An application that does with a message whatever a test wants.
contract WildRecipient is IERC7786Recipient {
    enum Mode { Take, Answer, Bomb, RevertBomb, Spin, Burn, CallBack }

    error Unwilling();

    Mode private _mode;
    bytes private _data;
    uint256 private _number;
    address private _target;
    uint256 public taken;
    uint256 public gasAtEntry;
    bytes public caught;

    function become(Mode mode, uint256 number, bytes calldata data) external {
        (_mode, _number, _data) = (mode, number, data);
    }

    function callBack(address target, bytes calldata data) external {
        (_mode, _target, _data) = (Mode.CallBack, target, data);
    }

    function receiveMessage(bytes32, bytes calldata, bytes calldata) external payable returns (bytes4) {
        gasAtEntry = gasleft();
        ++taken;
        if (_mode == Mode.Answer) _answer(_data);
        if (_mode == Mode.Bomb) _bomb(_number, false);
        if (_mode == Mode.RevertBomb) _bomb(_number, true);
        if (_mode == Mode.CallBack) (, caught) = _target.call(_data);
        uint256 before = gasleft();
        while (_mode == Mode.Spin) {}
        while (_mode == Mode.Burn && before - gasleft() < _number) {}
        return IERC7786Recipient.receiveMessage.selector;
    }

    function _answer(bytes memory data) private pure {
        assembly ("memory-safe") {
            return(add(data, 0x20), mload(data))
        }
    }

    function _bomb(uint256 size, bool reverts) private pure {
        bytes4 selector = reverts ? Unwilling.selector : IERC7786Recipient.receiveMessage.selector;
        assembly {
            mstore(0x00, selector)
            mstore(0x20, not(0))
            if reverts { revert(0x00, size) }
            return(0x00, size)
        }
    }
}

/// @notice What recipients do, and what it does to others: nothing.
/// forge-config: default.fuzz.runs = 200
contract AttestedGatewayRecipients is GatewayRig {
    WildRecipient private _wild;

    function setUp() external {
        _setUpGateways();
        _wild = new WildRecipient();
        destination.setApplication(address(_wild), true);
    }

    // One that fails.

    /// @dev Any of the messages fail; the others arrive; each that failed is kept, and taken later.
    function testFuzz_failingMessagesLeaveTheOthersAlone(uint256 mask) external {
        Message[] memory messages = new Message[](8);
        receivers[1].refuse(true);
        uint256 failing = 0;
        for (uint256 i = 0; i < 8; ++i) {
            messages[i] = _sendOne(0, mask >> i & 1, abi.encode(i));
            failing += mask >> i & 1;
        }
        _equal(_deliver(messages), 8 - failing, "delivered");
        receivers[1].refuse(false);
        for (uint256 i = 0; i < 8; ++i) {
            bool failed = mask >> i & 1 == 1;
            _true(destination.isFailed(_idOf(messages[i])) == failed, "failed");
            _true(destination.isSeen(SOURCE, messages[i].nonce), "seen");
            bytes memory again = abi.encodeCall(destination.retry, (SOURCE, messages[i]));
            if (failed) _succeed(address(destination), again);
            else _refused(again, _notFailed(messages[i]), "delivered before");
        }
        _checkReceived(messages, 1);
    }

    function test_deliver__refusal__isLoggedAndKept() external {
        receivers[0].refuse(true);
        Message memory message = _sendOne(0, 0, "no");
        vm.recordLogs();
        _equal(_deliver(_one(message)), 0, "delivered");
        _checkFailure(vm.getRecordedLogs(), message, abi.encodeWithSelector(Application.Refused.selector, 0));
        _refused(_delivery(_one(message)), _error(IAttestedGateway.NothingToDeliver.selector), "tried before");
        receivers[0].refuse(false);
        _refused(_delivery(_one(message)), _error(IAttestedGateway.NothingToDeliver.selector), "only by a retry");
    }

    function test_retry__failsAgain__staysFailed() external {
        Message memory message = _failed();
        bytes memory reason = abi.encodeWithSelector(Application.Refused.selector, 0);
        _refused(abi.encodeCall(destination.retry, (SOURCE, message)), reason, "the recipient's own words");
        _true(destination.isFailed(_idOf(message)), "failed");
    }

    function test_retry__byAnybody__onceOnly() external {
        Message memory message = _failed();
        receivers[0].refuse(false);
        vm.recordLogs();
        vm.prank(address(0xbeef));
        destination.retry(SOURCE, message);
        Log[] memory logs = vm.getRecordedLogs();
        _equal(logs.length, 1, "logs");
        _true(logs[0].topics[0] == IAttestedGateway.MessageDelivered.selector, "MessageDelivered");
        _true(logs[0].topics[1] == _idOf(message) && uint256(logs[0].topics[2]) == SOURCE, "id and chain");
        _equal(uint256(logs[0].topics[3]), message.nonce, "nonce");
        _checkReceived(_one(message), 1);
        _true(keccak256(receivers[0].lastPayload()) == keccak256(message.payload), "payload");
        bytes memory from = InteroperableAddress.formatEvmV1(SOURCE, message.sender);
        _true(keccak256(receivers[0].lastSender()) == keccak256(from), "sender");
        _refused(abi.encodeCall(destination.retry, (SOURCE, message)), _notFailed(message), "taken");
        _checkReceived(_one(message), 1);
    }

    function testFuzz_retry__changedMessage__hasNotFailed(uint256 field, uint256 mask) external {
        Message memory message = _failed();
        receivers[0].refuse(false);
        uint256 chain = SOURCE;
        uint160 mask160 = uint160(mask % type(uint160).max + 1);
        field %= 5;
        if (field == 0) message.nonce ^= mask == 0 ? 1 : mask;
        if (field == 1) message.sender = address(uint160(message.sender) ^ mask160);
        if (field == 2) message.recipient = address(uint160(message.recipient) ^ mask160);
        if (field == 3) message.payload = bytes.concat(message.payload, bytes1(uint8(mask)));
        if (field == 4) chain ^= mask == 0 ? 1 : mask;
        (bool succeeded, bytes memory reason) =
            address(destination).call(abi.encodeCall(destination.retry, (chain, message)));
        _true(!succeeded && bytes4(reason) == IAttestedGateway.NotFailed.selector, "never failed");
    }

    function test_retry__messageNeverDelivered__isRefused() external {
        Message memory message = _sendOne(0, 0, "not attested");
        _refused(abi.encodeCall(destination.retry, (SOURCE, message)), _notFailed(message), "never tried");
    }

    function test_retry__paused__isRefused() external {
        Message memory message = _failed();
        receivers[0].refuse(false);
        destination.pause();
        bytes memory again = abi.encodeCall(destination.retry, (SOURCE, message));
        _refused(again, abi.encodeWithSignature("EnforcedPause()"), "paused");
        destination.unpause();
        _succeed(address(destination), again);
    }

    // Answers.

    /// @dev Anything but the selector in a word of its own, and nothing at all, is no answer.
    function test_deliver__otherAnswer__isAFailure() external {
        bytes4 selector = IERC7786Recipient.receiveMessage.selector;
        bytes[7] memory answers = [
            bytes(""),
            abi.encodePacked(selector),
            abi.encodePacked(selector, new bytes(27)),
            abi.encodePacked(bytes28(0), selector),
            abi.encode(true),
            abi.encodePacked(selector, bytes28(uint224(1))),
            abi.encode(bytes4(0xffffffff))
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            _wild.become(WildRecipient.Mode.Answer, 0, answers[i]);
            // One before it is answered as it should be, so that what is left in memory would do.
            Message[] memory messages = new Message[](2);
            messages[0] = _sendOne(0, 0, "good");
            messages[1] = _sendTo(address(_wild), abi.encode(i));
            _equal(_deliver(messages), 1, "delivered");
            _true(destination.isFailed(_idOf(messages[1])), "failed");
            (bool again,) = address(destination).call(abi.encodeCall(destination.retry, (SOURCE, messages[1])));
            _true(!again, "nor when it is tried again");
        }
        _wild.become(WildRecipient.Mode.Answer, 0, abi.encodePacked(abi.encode(selector), "and more"));
        _equal(_deliver(_one(_sendTo(address(_wild), "longer"))), 1, "a longer answer");
    }

    /// @dev A byte is missing of the word, and what was in memory before would complete it: the last byte of the address.
    function test_deliver__answerCompletedByMemory__isAFailure() external {
        WildRecipient odd = WildRecipient(address(0xabcdef00));
        vm.etch(address(odd), address(_wild).code);
        destination.setApplication(address(odd), true);
        odd.become(
            WildRecipient.Mode.Answer, 0, abi.encodePacked(IERC7786Recipient.receiveMessage.selector, new bytes(27))
        );
        _equal(_deliver(_one(_sendTo(address(odd), ""))), 0, "delivered");
    }

    function test_deliver__otherAnswer__isNamed() external {
        _wild.become(WildRecipient.Mode.Answer, 0, abi.encode(true));
        Message memory message = _sendTo(address(_wild), "");
        vm.recordLogs();
        _deliver(_one(message));
        bytes memory reason = abi.encodeWithSelector(IAttestedGateway.UnexpectedAnswer.selector, address(_wild));
        Log[] memory logs = vm.getRecordedLogs();
        _checkFailure(logs, message, reason);
        _wild.become(WildRecipient.Mode.Answer, 0, abi.encode(bytes4(0x12345678)));
        _refused(abi.encodeCall(destination.retry, (SOURCE, message)), reason, "another selector");
    }

    /// @dev What a recipient returns is not copied: neither an answer of a megabyte nor such a reason makes a delivery dearer.
    function test_deliver__bomb__costsTheRecipientOnly() external {
        _wild.become(WildRecipient.Mode.RevertBomb, 400_000, "");
        Message[] memory messages = new Message[](2);
        messages[0] = _sendTo(address(_wild), "reverts");
        messages[1] = _sendOne(0, 0, "after it");
        bytes memory delivery = _delivery(messages);
        vm.recordLogs();
        uint256 before = gasleft();
        _succeed(address(destination), delivery);
        uint256 used = before - gasleft();
        _true(used < 1_000_000, "the recipient's memory and little more");
        Log[] memory logs = vm.getRecordedLogs();
        bytes memory reason = abi.decode(logs[0].data, (bytes));
        _equal(reason.length, 256, "bytes of reason");
        _true(bytes4(reason) == WildRecipient.Unwilling.selector, "its beginning");
        _checkReceived(_one(messages[1]), 1);
    }

    function test_deliver__longAnswer__isNotCopied() external {
        _wild.become(WildRecipient.Mode.Bomb, 400_000, "");
        Message memory message = _sendTo(address(_wild), "answers at length");
        bytes memory delivery = _delivery(_one(message));
        uint256 before = gasleft();
        _succeed(address(destination), delivery);
        _true(before - gasleft() < 600_000, "the recipient's memory and little more");
    }

    function testFuzz_reasonIsTheFirst256Bytes(uint256 size) external {
        size %= 600;
        _wild.become(WildRecipient.Mode.RevertBomb, size, "");
        Message memory message = _sendTo(address(_wild), "");
        vm.recordLogs();
        _deliver(_one(message));
        bytes memory reason = abi.decode(vm.getRecordedLogs()[0].data, (bytes));
        _equal(reason.length, size < 256 ? size : 256, "bytes of reason");
    }

    // Gas.

    function test_deliver__recipientThatUsesAllGas__leavesTheOthersAlone() external {
        _wild.become(WildRecipient.Mode.Spin, 0, "");
        Message[] memory messages = new Message[](3);
        messages[0] = _sendOne(0, 0, "before");
        messages[1] = _sendTo(address(_wild), "spins");
        messages[2] = _sendOne(0, 1, "after");
        bytes memory delivery = _delivery(messages);
        uint256 before = gasleft();
        _equal(abi.decode(_succeed(address(destination), delivery), (uint256)), 2, "delivered");
        _true(before - gasleft() < destination.MESSAGE_GAS() + 600_000, "no more than a message's gas");
        _true(destination.isFailed(_idOf(messages[1])), "failed");
    }

    /// @dev Whatever gas a delivery is given, it happens as if there were plenty, or not at all.
    function testFuzz_noGasLimitMakesAMessageFail(uint256 limit, bool second) external {
        _wild.become(WildRecipient.Mode.Burn, 1_900_000, "");
        Message[] memory messages = new Message[](second ? 2 : 1);
        messages[0] = _sendTo(address(_wild), "needs nearly all it may use");
        if (second) messages[1] = _sendTo(address(_wild), "and again");
        bytes memory delivery = _delivery(messages);
        limit = 30_000 + limit % (second ? 5_000_000 : 2_500_000);
        (bool succeeded, bytes memory answer) = address(destination).call{gas: limit}(delivery);
        _equal(_wild.taken(), succeeded ? messages.length : 0, "taken");
        for (uint256 i = 0; i < messages.length; ++i) {
            _true(!destination.isFailed(_idOf(messages[i])), "failed");
            _true(destination.isSeen(SOURCE, messages[i].nonce) == succeeded, "seen");
        }
        if (succeeded) _equal(abi.decode(answer, (uint256)), messages.length, "delivered");
        else if (answer.length != 0) _true(bytes4(answer) == IAttestedGateway.InsufficientGas.selector, "says why");
    }

    /// @dev At the edge, found to the unit: with as little gas as is accepted, the recipient still gets all of MESSAGE_GAS.
    function test_deliver__leastGasAccepted__recipientGetsMessageGas() external {
        Message memory message = _sendTo(address(_wild), "how much?");
        bytes memory delivery = _delivery(_one(message));
        (uint256 few, uint256 enough) = (30_000, 3_000_000);
        while (enough - few > 1) {
            uint256 limit = (few + enough) / 2;
            if (this.isEnough(delivery, limit)) enough = limit;
            else few = limit;
        }
        (bool succeeded, bytes memory reason) = address(destination).call{gas: few}(delivery);
        _true(!succeeded && bytes4(reason) == IAttestedGateway.InsufficientGas.selector, "one less is refused");
        (succeeded,) = address(destination).call{gas: enough}(delivery);
        _true(succeeded, "enough");
        // A few units go before the recipient looks.
        _true(_wild.gasAtEntry() > destination.MESSAGE_GAS() - 1_000, "the recipient's gas");
        _true(_wild.gasAtEntry() < destination.MESSAGE_GAS(), "and no more");
    }

    /// @dev Whether so much gas is enough; what happened is undone.
    function isEnough(bytes calldata delivery, uint256 limit) external returns (bool enough) {
        try this.tryWith(delivery, limit) {}
        catch (bytes memory answer) {
            enough = abi.decode(answer, (bool));
        }
    }

    function tryWith(bytes calldata delivery, uint256 limit) external {
        (bool succeeded,) = address(destination).call{gas: limit}(delivery);
        assembly ("memory-safe") {
            mstore(0x00, succeeded)
            revert(0x00, 0x20)
        }
    }

    function test_retry__messageThatNeedsMore__getsAllGas() external {
        _wild.become(WildRecipient.Mode.Burn, 3_000_000, "");
        Message memory message = _sendTo(address(_wild), "dear");
        _equal(_deliver(_one(message)), 0, "too dear for a delivery");
        destination.retry{gas: 5_000_000}(SOURCE, message);
        _equal(_wild.taken(), 1, "taken");
    }

    // Calling back.

    function test_receiveMessage__deliveringAgain__isRefused() external {
        Message[] memory others = _send(2);
        _wild.callBack(address(destination), _delivery(others));
        Message memory message = _sendTo(address(_wild), "");
        _equal(_deliver(_one(message)), 1, "delivered");
        _checkReentry();
        _checkReceived(others, 0);
        _deliver(others);
    }

    function test_receiveMessage__retrying__isRefused() external {
        Message memory failed = _failed();
        receivers[0].refuse(false);
        _wild.callBack(address(destination), abi.encodeCall(destination.retry, (SOURCE, failed)));
        _deliver(_one(_sendTo(address(_wild), "")));
        _checkReentry();
        _true(destination.isFailed(_idOf(failed)), "still failed");
    }

    function test_retry__deliveringFromWithin__isRefused() external {
        Message[] memory others = _send(2);
        _wild.become(WildRecipient.Mode.Answer, 0, "");
        Message memory message = _sendTo(address(_wild), "");
        _deliver(_one(message));
        _wild.callBack(address(destination), _delivery(others));
        destination.retry(SOURCE, message);
        _checkReentry();
        _checkReceived(others, 0);
    }

    /// @dev The message is marked before its recipient is called.
    function test_receiveMessage__askingForItself__isSeen() external {
        Message memory message = _sendTo(address(_wild), "");
        _wild.callBack(address(destination), abi.encodeCall(destination.isSeen, (SOURCE, message.nonce)));
        _deliver(_one(message));
        _true(abi.decode(_wild.caught(), (bool)), "seen before it is called");
    }

    /// @dev An answer goes out while the message comes in.
    function test_receiveMessage__sending__works() external {
        bytes memory back = InteroperableAddress.formatEvmV1(SOURCE, address(senders[0]));
        _wild.callBack(
            address(destination), abi.encodeCall(destination.sendMessage, (back, "answer", new bytes[](0)))
        );
        _equal(_deliver(_one(_sendTo(address(_wild), ""))), 1, "delivered");
        _equal(destination.sentCount(SOURCE), 1, "sent");
    }

    // Whom the gateway calls.

    function test_deliver__recipientNotRegistered__isNotCalled() external {
        Application stranger = new Application();
        ProgrammeRegistry registry = new ProgrammeRegistry(address(this), 0);
        address[6] memory targets = [
            address(stranger),
            address(registry),
            address(destination),
            address(0xa11ce),
            address(2),
            address(this)
        ];
        Message[] memory messages = new Message[](targets.length + 1);
        for (uint256 i = 0; i < targets.length; ++i) {
            messages[i] = _sendTo(targets[i], abi.encode(i));
        }
        messages[targets.length] = _sendOne(0, 0, "after them");
        vm.recordLogs();
        _equal(_deliver(messages), 1, "delivered");
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < targets.length; ++i) {
            Log[] memory one = new Log[](1);
            one[0] = logs[i];
            _checkFailure(one, messages[i], _notAnApplication(targets[i]));
            bytes memory again = abi.encodeCall(destination.retry, (SOURCE, messages[i]));
            _refused(again, _notAnApplication(targets[i]), "not registered");
        }
        destination.setApplication(address(stranger), true);
        destination.retry(SOURCE, messages[0]);
        _checkReceived(_one(messages[0]), 1);
    }

    function test_deliver__applicationNoLonger__isNotCalled() external {
        Message memory message = _sendOne(0, 0, "too late");
        destination.setApplication(address(receivers[0]), false);
        _equal(_deliver(_one(message)), 0, "delivered");
        _equal(receivers[0].count(), 0, "called");
        destination.setApplication(address(receivers[0]), true);
        destination.retry(SOURCE, message);
        _checkReceived(_one(message), 1);
    }

    function test_theGatewayOwnsNothing() external {
        (bool succeeded,) = address(destination).call{value: 1}("");
        _true(!succeeded, "no money comes in");
        (succeeded,) = address(destination).call{value: 1}(_delivery(_send(1)));
        _true(!succeeded, "not with a delivery either");
    }

    function _sendTo(address recipient, bytes memory payload) private returns (Message memory message) {
        vm.chainId(SOURCE);
        senders[0].send(source, InteroperableAddress.formatEvmV1(DESTINATION, recipient), payload);
        vm.chainId(DESTINATION);
        return Message(source.sentCount(DESTINATION), address(senders[0]), recipient, payload);
    }

    /// @dev A message that has failed.
    function _failed() private returns (Message memory message) {
        receivers[0].refuse(true);
        message = _sendOne(0, 0, "try again");
        _equal(_deliver(_one(message)), 0, "delivered");
    }

    function _checkFailure(Log[] memory logs, Message memory message, bytes memory reason) private view {
        _equal(logs.length, 1, "logs");
        _true(logs[0].emitter == address(destination), "the gateway's");
        _true(logs[0].topics[0] == IAttestedGateway.MessageFailed.selector, "MessageFailed");
        _true(logs[0].topics[1] == _idOf(message) && uint256(logs[0].topics[2]) == SOURCE, "id and chain");
        _equal(uint256(logs[0].topics[3]), message.nonce, "nonce");
        _true(keccak256(abi.decode(logs[0].data, (bytes))) == keccak256(reason), "reason");
        _true(destination.isFailed(_idOf(message)), "failed");
    }

    function _checkReentry() private view {
        _true(bytes4(_wild.caught()) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "reentry");
    }

    function _notFailed(Message memory message) private view returns (bytes memory) {
        return abi.encodeWithSelector(IAttestedGateway.NotFailed.selector, _idOf(message));
    }

    function _notAnApplication(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAttestedGateway.NotAnApplication.selector, account);
    }
}
