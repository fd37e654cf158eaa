// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786GatewaySource, IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {AttestedGateway} from "../../contracts/bridge/AttestedGateway.sol";
import {Batch, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {MessageTree} from "./MessageTree.sol";
import {Checked} from "./Vm.sol";

/// @notice An application that sends what it is told to, and counts what it receives.
contract Application is IERC7786Recipient {
    error Refused(uint256 number);

    bool public refusing;
    uint256 public count;
    bytes public lastSender;
    bytes public lastPayload;
    mapping(bytes32 messageId => uint256) public received;

    function refuse(bool refusing_) external {
        refusing = refusing_;
    }

    function send(IERC7786GatewaySource gateway, bytes calldata recipient, bytes calldata payload)
        external
        payable
        returns (bytes32)
    {
        return gateway.sendMessage{value: msg.value}(recipient, payload, new bytes[](0));
    }

    function receiveMessage(bytes32 receiveId, bytes calldata sender, bytes calldata payload)
        external
        payable
        returns (bytes4)
    {
        if (refusing) revert Refused(count);
        ++count;
        ++received[receiveId];
        (lastSender, lastPayload) = (sender, payload);
        return IERC7786Recipient.receiveMessage.selector;
    }
}

/// @notice Two gateways on two chains in one machine: the chain id is changed to go from one to the other. Five attesters, four
/// of whom must sign, and more who are in no set; two applications on each chain.
abstract contract GatewayRig is Checked {
    uint256 internal constant SOURCE = 31_337;
    uint256 internal constant DESTINATION = 1_337;
    uint256 internal constant MEMBERS = 5;
    uint256 internal constant THRESHOLD = 4;
    uint256 internal constant DELAY = 2 days;

    AttestedGateway internal source;
    AttestedGateway internal destination;
    Application[2] internal senders;
    Application[2] internal receivers;
    /// @dev Private keys by ascending address; the attesters are the first ones.
    uint256[] internal keys;

    function _setUpGateways() internal {
        vm.warp(20_000 days);
        _makeKeys(12);
        vm.chainId(SOURCE);
        source = _deployGateway();
        vm.chainId(DESTINATION);
        destination = _deployGateway();
        destination.setRemote(SOURCE, address(source));
        for (uint256 i = 0; i < 2; ++i) {
            senders[i] = new Application();
            receivers[i] = new Application();
            source.setApplication(address(senders[i]), true);
            destination.setApplication(address(receivers[i]), true);
        }
        vm.chainId(SOURCE);
        source.setRemote(DESTINATION, address(destination));
        vm.chainId(DESTINATION);
    }

    function _deployGateway() internal returns (AttestedGateway gateway) {
        gateway = new AttestedGateway(_addresses(0, MEMBERS), THRESHOLD, DELAY, address(this), 0);
        gateway.grantRole(gateway.ATTESTER_ADMIN_ROLE(), address(this));
        gateway.grantRole(gateway.PAUSER_ROLE(), address(this));
    }

    function _makeKeys(uint256 count) private {
        for (uint256 made = 0; made < count; ++made) {
            uint256 key = uint256(keccak256(abi.encode("attester", made)));
            keys.push(key);
            for (uint256 i = made; i > 0 && vm.addr(keys[i - 1]) > vm.addr(keys[i]); --i) {
                (keys[i - 1], keys[i]) = (keys[i], keys[i - 1]);
            }
        }
    }

    /// @dev Addresses of `count` keys from `first` on.
    function _addresses(uint256 first, uint256 count) internal view returns (address[] memory found) {
        found = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            found[i] = vm.addr(keys[first + i]);
        }
    }

    /// @dev Sends messages that differ in everything from the source to the destination.
    function _send(uint256 count) internal returns (Message[] memory messages) {
        messages = new Message[](count);
        for (uint256 i = 0; i < count; ++i) {
            messages[i] = _sendOne(i % 2, i / 2 % 2, abi.encode("payload", i));
        }
    }

    function _sendOne(uint256 from, uint256 to, bytes memory payload) internal returns (Message memory message) {
        vm.chainId(SOURCE);
        address recipient = address(receivers[to]);
        bytes32 id = senders[from].send(source, InteroperableAddress.formatEvmV1(DESTINATION, recipient), payload);
        vm.chainId(DESTINATION);
        message = Message(source.sentCount(DESTINATION), address(senders[from]), recipient, payload);
        _true(id == _idOf(message), "the id of what was sent");
    }

    /// @dev The id, put together here once more.
    function _idOf(Message memory message) internal view returns (bytes32) {
        return _idOn(SOURCE, address(source), message);
    }

    function _idOn(uint256 chain, address gateway, Message memory message) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                chain,
                gateway,
                DESTINATION,
                address(destination),
                message.nonce,
                message.sender,
                message.recipient,
                keccak256(message.payload)
            )
        );
    }

    function _idsOf(Message[] memory messages) internal view returns (bytes32[] memory ids) {
        ids = new bytes32[](messages.length);
        for (uint256 i = 0; i < messages.length; ++i) {
            ids[i] = _idOf(messages[i]);
        }
    }

    function _batchOf(Message[] memory messages) internal view returns (Batch memory) {
        return Batch(SOURCE, address(source), block.number, MessageTree.root(_idsOf(messages)));
    }

    /// @dev What is signed, put together here once more.
    function _digest(Batch memory batch, uint256 chain, address gateway) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Interpoints Gateway"),
                keccak256("1"),
                chain,
                gateway
            )
        );
        bytes32 words = keccak256(
            abi.encode(
                keccak256("Batch(uint256 sourceChain,address sourceGateway,uint256 blockNumber,bytes32 root)"),
                batch.sourceChain,
                batch.sourceGateway,
                batch.blockNumber,
                batch.root
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, words));
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Signatures of `count` keys from `first` on.
    function _sign(Batch memory batch, uint256 first, uint256 count) internal view returns (bytes[] memory signatures) {
        bytes32 digest = _digest(batch, DESTINATION, address(destination));
        signatures = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            signatures[i] = _signature(keys[first + i], digest);
        }
    }

    function _flags(uint256 count) internal pure returns (bool[] memory flags) {
        flags = new bool[](count - 1);
        for (uint256 i = 0; i < flags.length; ++i) {
            flags[i] = true;
        }
    }

    /// @dev The call that delivers a whole batch with these signatures.
    function _delivery(Batch memory batch, Message[] memory messages, bytes[] memory signatures)
        internal
        pure
        returns (bytes memory)
    {
        bytes32[] memory proof = new bytes32[](0);
        return abi.encodeCall(
            AttestedGateway.deliver, (batch, messages, proof, _flags(messages.length), signatures)
        );
    }

    /// @dev The call that delivers these messages as a batch of their own, well signed.
    function _delivery(Message[] memory messages) internal view returns (bytes memory) {
        Batch memory batch = _batchOf(messages);
        return _delivery(batch, messages, _sign(batch, 0, THRESHOLD));
    }

    function _deliver(Message[] memory messages) internal returns (uint256 delivered) {
        return abi.decode(_succeed(address(destination), _delivery(messages)), (uint256));
    }

    function _succeed(address target, bytes memory data) internal returns (bytes memory answer) {
        bool succeeded;
        (succeeded, answer) = target.call(data);
        _true(succeeded, "the call is accepted");
    }

    /// @dev The call must be refused with exactly this error.
    function _refused(address target, bytes memory data, bytes memory reason, string memory what) internal {
        (bool succeeded, bytes memory answer) = target.call(data);
        _true(!succeeded, what);
        _true(keccak256(answer) == keccak256(reason), what);
    }

    function _refused(bytes memory data, bytes memory reason, string memory what) internal {
        _refused(address(destination), data, reason, what);
    }

    /// @dev Each of the messages was received so many times.
    function _checkReceived(Message[] memory messages, uint256 times) internal view {
        for (uint256 i = 0; i < messages.length; ++i) {
            Application receiver = Application(messages[i].recipient);
            _equal(receiver.received(_idOf(messages[i])), times, "times received");
            _true(destination.isSeen(SOURCE, messages[i].nonce) == (times != 0), "seen");
        }
    }

    function _one(Message memory message) internal pure returns (Message[] memory messages) {
        messages = new Message[](1);
        messages[0] = message;
    }

    function _error(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }
}
