// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

import {IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {GatewayRig} from "./GatewayRig.sol";
import {Log} from "./Vm.sol";

/// @notice Sending, and who may send and receive.
/// forge-config: default.fuzz.runs = 200
contract AttestedGatewaySending is GatewayRig {
    bytes private _to;

    function setUp() external {
        _setUpGateways();
        vm.chainId(SOURCE);
        _to = InteroperableAddress.formatEvmV1(DESTINATION, address(receivers[0]));
    }

    function test_sendMessage__logsAreThoseOfERC7786() external {
        Message memory message = Message(1, address(senders[0]), address(receivers[0]), "hello");
        vm.recordLogs();
        bytes32 id = senders[0].send(source, _to, "hello");
        _true(id == _idOf(message), "id");
        Log[] memory logs = vm.getRecordedLogs();
        _equal(logs.length, 2, "logs");
        _true(logs[0].topics[0] == IAttestedGateway.MessageQueued.selector, "MessageQueued");
        _true(logs[0].topics[1] == id && uint256(logs[0].topics[2]) == DESTINATION, "id and destination");
        _equal(uint256(logs[0].topics[3]), 1, "nonce");
        _true(logs[1].topics[0] == IERC7786GatewaySource.MessageSent.selector && logs[1].topics[1] == id, "MessageSent");
        bytes memory from = InteroperableAddress.formatEvmV1(SOURCE, address(senders[0]));
        bytes memory data = abi.encode(from, _to, bytes("hello"), 0, new bytes[](0));
        _true(keccak256(logs[1].data) == keccak256(data), "what MessageSent says");
    }

    /// @dev Nonces of each destination count from one, without gaps, whoever sends and whatever is refused in between.
    function testFuzz_noncesHaveNoGaps(uint256 seed) external {
        source.setRemote(99, address(destination));
        bytes memory elsewhere = InteroperableAddress.formatEvmV1(99, address(receivers[0]));
        uint256[2] memory sent;
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 route = seed % 2;
            if (seed >> 8 & 3 == 0) {
                (bool succeeded,) = address(senders[0]).call(
                    abi.encodeCall(senders[0].send, (source, hex"00", "refused"))
                );
                _true(!succeeded, "refused");
                continue;
            }
            senders[seed >> 1 & 1].send(source, route == 0 ? _to : elsewhere, abi.encode(seed));
            ++sent[route];
            _equal(source.sentCount(DESTINATION), sent[0], "sent here");
            _equal(source.sentCount(99), sent[1], "sent there");
        }
    }

    function testFuzz_idsDiffer(uint256 first, uint256 second) external {
        bytes32 one = senders[0].send(source, _to, abi.encode(first));
        bytes32 two = senders[0].send(source, _to, abi.encode(second));
        _true(one != two, "even when they say the same");
    }

    function test_sendMessage__notAnApplication__isRefused() external {
        bytes memory reason = abi.encodeWithSelector(IAttestedGateway.NotAnApplication.selector, address(this));
        bytes memory sending = abi.encodeCall(source.sendMessage, (_to, "", new bytes[](0)));
        _refused(address(source), sending, reason, "anybody");
        reason = abi.encodeWithSelector(IAttestedGateway.NotAnApplication.selector, address(senders[0]));
        source.setApplication(address(senders[0]), false);
        _refuse(_to, "", reason, "no longer");
    }

    function test_sendMessage__withMoney__isRefused() external {
        bytes memory sending = abi.encodeCall(senders[0].send, (source, _to, ""));
        (bool succeeded, bytes memory reason) = address(senders[0]).call{value: 3}(sending);
        bytes memory foreseen = abi.encodeWithSelector(IAttestedGateway.ValueNotSupported.selector, 3);
        _true(!succeeded && keccak256(reason) == keccak256(foreseen), "money");
    }

    function test_sendMessage__attributes__areRefused() external {
        source.setApplication(address(this), true);
        bytes[] memory attributes = new bytes[](2);
        attributes[0] = hex"0102030405";
        bytes memory sending = abi.encodeCall(source.sendMessage, (_to, "", attributes));
        bytes memory reason = abi.encodeWithSelector(
            IERC7786GatewaySource.UnsupportedAttribute.selector, bytes4(0x01020304)
        );
        _refused(address(source), sending, reason, "an attribute");
        attributes[0] = "";
        sending = abi.encodeCall(source.sendMessage, (_to, "", attributes));
        reason = abi.encodeWithSelector(IERC7786GatewaySource.UnsupportedAttribute.selector, bytes4(0));
        _refused(address(source), sending, reason, "an empty one");
        _true(!source.supportsAttribute(bytes4(0x01020304)) && !source.supportsAttribute(0), "none is supported");
    }

    function test_sendMessage__payloadSize__isBounded() external {
        senders[0].send(source, _to, "");
        senders[0].send(source, _to, new bytes(8_192));
        bytes memory reason = abi.encodeWithSelector(IAttestedGateway.PayloadTooLong.selector, 8_193, 8_192);
        _refuse(_to, new bytes(8_193), reason, "a byte too long");
    }

    /// @dev The proper form is taken and no other, though some of them say the same.
    function test_sendMessage__recipient__onlyInItsProperForm() external {
        address to = address(receivers[0]);
        _refuseRecipient("", "nothing");
        _refuseRecipient(bytes.concat(_to, hex"00"), "a byte after it");
        _refuseRecipient(abi.encodePacked(hex"0001_0000_03_000539_14", to), "a chain id with leading zeros");
        _refuseRecipient(abi.encodePacked(hex"0002_0000_02_0539_14", to), "another version");
        _refuseRecipient(abi.encodePacked(hex"0001_0002_02_0539_14", to), "another kind of chain");
        _refuseRecipient(abi.encodePacked(hex"0001_0000_02_0539_13", bytes19(bytes20(to))), "19 bytes");
        _refuseRecipient(abi.encodePacked(hex"0001_0000_02_0539_15", to, uint8(0)), "21 bytes");
        _refuseRecipient(InteroperableAddress.formatEvmV1(DESTINATION), "no account");
        _refuseRecipient(InteroperableAddress.formatEvmV1(to), "no chain");
        _refuseRecipient(InteroperableAddress.formatEvmV1(DESTINATION, address(0)), "the zero address");
        _refuseRecipient(InteroperableAddress.formatEvmV1(DESTINATION + 1, to), "an unknown chain");
        _refuseRecipient(InteroperableAddress.formatEvmV1(SOURCE, to), "this chain");
        senders[0].send(source, abi.encodePacked(hex"0001_0000_02_0539_14", to), "");
    }

    function testFuzz_recipientWithAChangedByteGoesNowhereElse(uint256 position, uint8 mask) external {
        bytes memory changed = bytes.concat(_to);
        position %= changed.length;
        changed[position] ^= bytes1(mask == 0 ? 1 : mask);
        // The last 20 bytes are the account; any account can be sent to.
        if (position >= changed.length - 20) senders[0].send(source, changed, "");
        else _refuseRecipient(changed, "a changed byte");
    }

    function test_sendMessage__paused__isRefused() external {
        source.pause();
        _refuse(_to, "", abi.encodeWithSignature("EnforcedPause()"), "paused");
        source.unpause();
        senders[0].send(source, _to, "");
    }

    // Administration.

    function test_setRemote__onceForGood() external {
        bytes memory again = abi.encodeCall(source.setRemote, (DESTINATION, address(this)));
        bytes memory reason = abi.encodeWithSelector(
            IAttestedGateway.RemoteAlreadySet.selector, DESTINATION, address(destination)
        );
        _refused(address(source), again, reason, "another gateway");
        _refused(
            address(source),
            abi.encodeCall(source.setRemote, (DESTINATION, address(destination))),
            reason,
            "the same gateway"
        );
        _true(source.remoteOf(DESTINATION) == address(destination), "unchanged");
        _refuseRemote(0, address(destination));
        _refuseRemote(SOURCE, address(destination));
        _refuseRemote(5, address(0));
        source.setRemote(5, address(7));
        _true(source.remoteOf(5) == address(7), "set");
        _true(source.remoteOf(6) == address(0), "unknown");
    }

    function test_setApplication__onlyOthersWithCode() external {
        address[2] memory accounts = [address(0xa11ce), address(source)];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory reason = abi.encodeWithSelector(IAttestedGateway.InvalidApplication.selector, accounts[i]);
            _refused(
                address(source), abi.encodeCall(source.setApplication, (accounts[i], true)), reason, "no application"
            );
            source.setApplication(accounts[i], false);
            _true(!source.isApplication(accounts[i]), "disallowed, as it was");
        }
        _true(!source.isApplication(address(this)), "not yet");
        source.setApplication(address(this), true);
        _true(source.isApplication(address(this)), "registered");
        source.setApplication(address(this), false);
        _true(!source.isApplication(address(this)), "no longer");
    }

    function test_administration__onlyTheRoles() external {
        address stranger = address(0xbeef);
        bytes[4] memory calls = [
            abi.encodeCall(source.setRemote, (5, address(7))),
            abi.encodeCall(source.setApplication, (address(this), true)),
            abi.encodeCall(source.pause, ()),
            abi.encodeCall(source.unpause, ())
        ];
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 role = i < 2 ? bytes32(0) : source.PAUSER_ROLE();
            bytes memory reason = abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, role
            );
            vm.prank(stranger);
            _refused(address(source), calls[i], reason, "not the role");
        }
    }

    function _refuse(bytes memory recipient, bytes memory payload, bytes memory reason, string memory what) private {
        bytes memory sending = abi.encodeCall(senders[0].send, (source, recipient, payload));
        uint256 before = source.sentCount(DESTINATION);
        _refused(address(senders[0]), sending, reason, what);
        _equal(source.sentCount(DESTINATION), before, "nothing is counted");
    }

    function _refuseRecipient(bytes memory recipient, string memory what) private {
        _refuse(recipient, "", abi.encodeWithSelector(IAttestedGateway.InvalidRecipient.selector, recipient), what);
    }

    function _refuseRemote(uint256 chain, address gateway) private {
        bytes memory reason = abi.encodeWithSelector(IAttestedGateway.InvalidRemote.selector, chain, gateway);
        _refused(address(source), abi.encodeCall(source.setRemote, (chain, gateway)), reason, "no remote");
    }
}
