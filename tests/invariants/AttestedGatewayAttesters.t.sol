// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {AttestedGateway} from "../../contracts/bridge/AttestedGateway.sol";
import {Batch, IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {GatewayRig} from "./GatewayRig.sol";

/// @notice Who attests: signatures, and sets that follow each other.
/// forge-config: default.fuzz.runs = 200
contract AttestedGatewayAttesters is GatewayRig {
    /// @dev The order of secp256k1.
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    Message[] private _messages;
    Batch private _batch;

    function setUp() external {
        _setUpGateways();
        Message[] memory sent = _send(3);
        for (uint256 i = 0; i < sent.length; ++i) {
            _messages.push(sent[i]);
        }
        _batch = _batchOf(sent);
    }

    // Signatures.

    /// @dev Any selection of seven accounts, five of whom are attesters.
    function testFuzz_fourOfFiveAndNobodyElse(uint256 mask) external {
        bytes[] memory all = _sign(_batch, 0, 7);
        bytes[] memory given = new bytes[](7);
        uint256 count = 0;
        for (uint256 i = 0; i < 7; ++i) {
            if (mask >> i & 1 == 1) given[count++] = all[i];
        }
        assembly ("memory-safe") {
            mstore(given, count)
        }
        uint256 outsider = mask >> 5 & 1 == 1 ? 5 : 6;
        bool outsiders = mask >> MEMBERS & 3 != 0;
        if (count < THRESHOLD) _refuse(given, _tooFew(count));
        else if (outsiders) _refuse(given, _notAMember(count - (mask >> 5 & 3 == 3 ? 2 : 1), outsider));
        else _accept(given);
    }

    /// @dev Each line one that pretends to be the second of four signatures.
    function test_deliver__badSignature__isRefused() external {
        bytes memory good = _sign(_batch, 1, 1)[0];
        (bytes32 r, bytes32 s, uint8 v) = _split(good);
        bytes32 high = bytes32(CURVE_ORDER - uint256(s));
        _refuseSecond(abi.encodePacked(r, high, v == 27 ? 28 : 27), "high s");
        _refuseSecond(abi.encodePacked(r, s, v - 27), "v of 0 or 1");
        _refuseSecond(abi.encodePacked(r, s, uint8(29)), "v of 29");
        _refuseSecond(abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255))), "64 bytes");
        _refuseSecond(abi.encodePacked(good, uint8(0)), "66 bytes");
        _refuseSecond("", "none");
        _refuseSecond(new bytes(65), "zeros");
        _refuseSecond(abi.encodePacked(bytes32(0), s, v), "r of 0");
    }

    function test_deliver__signerTwice__isRefused() external {
        bytes[] memory given = _sign(_batch, 0, THRESHOLD);
        given[3] = given[2];
        _refuse(given, _notAscending(3, 2));
    }

    function test_deliver__signersUnsorted__isRefused() external {
        bytes[] memory given = _sign(_batch, 0, THRESHOLD);
        (given[0], given[1]) = (given[1], given[0]);
        _refuse(given, _notAscending(1, 0));
    }

    function test_deliver__oneThatIsNoMember__isRefused() external {
        _refuse(_sign(_batch, 2, 4), _notAMember(3, 5));
    }

    function test_deliver__moreThanNeeded__allAreChecked() external {
        bytes[] memory given = _sign(_batch, 0, MEMBERS);
        given[4] = _sign(_batch, 6, 1)[0];
        _refuse(given, _notAMember(4, 6));
        _accept(_sign(_batch, 0, MEMBERS));
    }

    function test_deliver__otherDomain__isRefused() external {
        _refuseSignedFor(SOURCE, address(destination));
        _refuseSignedFor(DESTINATION, address(source));
        _refuseSignedFor(SOURCE, address(source));
    }

    // Sets.

    function testFuzz_setsFollowTheRule(uint256 n, uint256 k) external {
        n %= 35;
        k = k % 40;
        address[] memory attesters = new address[](n);
        for (uint256 i = 0; i < n; ++i) {
            attesters[i] = address(uint160(i + 1));
        }
        bytes memory proposal = abi.encodeCall(destination.proposeAttesters, (attesters, k));
        bool allowed = n <= 32 && k >= 2 && k <= n && k * 3 >= n * 2;
        if (allowed) _succeed(address(destination), proposal);
        else _refused(proposal, _ruleBroken(n, k), "rule");
    }

    function test_proposeAttesters__extremeThresholds__areRefused() external {
        uint256[3] memory thresholds = [type(uint256).max, type(uint256).max / 3 + 1, 0];
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory proposal = abi.encodeCall(destination.proposeAttesters, (_addresses(0, 3), thresholds[i]));
            _refused(proposal, _ruleBroken(3, thresholds[i]), "threshold");
        }
    }

    function test_proposeAttesters__notAscending__isRefused() external {
        address[] memory attesters = _addresses(0, 3);
        attesters[0] = address(0);
        _refuseSet(attesters, 0);
        attesters = _addresses(0, 3);
        attesters[2] = attesters[1];
        _refuseSet(attesters, 2);
        (attesters[1], attesters[2]) = (attesters[0], attesters[1]);
        _refuseSet(attesters, 1);
    }

    function test_constructor__setAgainstTheRule__isRefused() external {
        address[] memory none = new address[](0);
        try new AttestedGateway(none, 0, DELAY, address(this), 0) {
            _true(false, "no attesters");
        } catch (bytes memory reason) {
            _true(keccak256(reason) == keccak256(_ruleBroken(0, 0)), "no attesters");
        }
        try new AttestedGateway(_addresses(0, 5), 3, DELAY, address(this), 0) {
            _true(false, "three of five");
        } catch (bytes memory reason) {
            _true(keccak256(reason) == keccak256(_ruleBroken(5, 3)), "three of five");
        }
    }

    /// @dev Every word that says who attests, zeroed: nothing is verified by what is left, not even with all signatures.
    function test_deliver__zeroedStorage__isRefused() external {
        bytes memory delivery = _delivery(_batch, _messages, _sign(_batch, 0, MEMBERS));
        vm.record();
        destination.attesterSet();
        (bytes32[] memory words,) = vm.accesses(address(destination));
        _true(words.length >= 3 + MEMBERS, "rotation, threshold, length and members");
        for (uint256 i = 0; i < words.length; ++i) {
            bytes32 before = vm.load(address(destination), words[i]);
            vm.store(address(destination), words[i], 0);
            (bool succeeded,) = address(destination).call(delivery);
            _true(!succeeded, "a zeroed word");
            vm.store(address(destination), words[i], before);
        }
        _succeed(address(destination), delivery);
    }

    /// @dev A threshold below the rule, however it came about, verifies nothing; and so no signatures never suffice.
    function testFuzz_thresholdIsCheckedWhenVerifying(uint256 forced) external {
        bytes32 word = _wordOf(THRESHOLD);
        forced %= 7;
        vm.store(address(destination), word, bytes32(forced));
        bool allowed = forced == 4 || forced == 5;
        bytes[] memory given = _sign(_batch, 0, allowed ? forced : forced == 0 ? 0 : MEMBERS);
        if (allowed) _accept(given);
        else _refuse(given, _ruleBroken(MEMBERS, forced));
    }

    // Rotation.

    function test_rotation__theSetInForceCounts() external {
        _propose(3, 5);
        uint256 from = block.timestamp + DELAY;
        _checkSet(0, 5, 1);
        _checkPending(3, 5, 2, from);
        vm.warp(from - 1);
        _checkPending(3, 5, 2, from);
        _refuse(_sign(_batch, 3, 4), _notAMember(2, 5));
        vm.warp(from);
        _checkSet(3, 5, 2);
        _checkPending(0, 0, 0, 0);
        _refuse(_sign(_batch, 0, 4), _notAMember(0, 0));
        _accept(_sign(_batch, 3, 4));
    }

    /// @dev The last second of the old set: its signatures are good for a batch, and with them it is over.
    function test_rotation__oldSetUntilTheLastSecond() external {
        _propose(3, 5);
        vm.warp(block.timestamp + DELAY - 1);
        _accept(_sign(_batch, 0, 4));
    }

    /// @dev Members of both sets need not sign again.
    function test_rotation__signaturesOfMembersOfBothSetsStayGood() external {
        bytes[] memory before = _sign(_batch, 1, 4);
        _propose(1, 5);
        vm.warp(block.timestamp + DELAY);
        _accept(before);
    }

    function test_rotation__anotherProposal__replacesThePending() external {
        _propose(3, 5);
        vm.warp(block.timestamp + DELAY - 1);
        vm.recordLogs();
        _propose(4, 6);
        _equal(vm.getRecordedLogs().length, 2, "cancelled and proposed");
        _checkPending(4, 6, 3, block.timestamp + DELAY);
        vm.warp(block.timestamp + 1);
        _checkSet(0, 5, 1);
        vm.warp(block.timestamp + DELAY);
        _checkSet(4, 6, 3);
    }

    function test_rotation__proposalAfterAnother__leavesTheOneInForce() external {
        _propose(3, 5);
        vm.warp(block.timestamp + DELAY);
        vm.recordLogs();
        _propose(5, 6);
        _equal(vm.getRecordedLogs().length, 1, "nothing is cancelled");
        _checkSet(3, 5, 2);
        vm.warp(block.timestamp + DELAY);
        _checkSet(5, 6, 3);
    }

    function test_cancelAttesters__pending__neverComesIntoForce() external {
        _refused(abi.encodeCall(destination.cancelAttesters, ()), _nothingPending(), "nothing is pending");
        _propose(3, 5);
        vm.warp(block.timestamp + DELAY - 1);
        destination.cancelAttesters();
        _checkPending(0, 0, 0, 0);
        _refused(abi.encodeCall(destination.cancelAttesters, ()), _nothingPending(), "cancelled before");
        vm.warp(block.timestamp + DELAY);
        _checkSet(0, 5, 1);
        _propose(2, 5);
        vm.warp(block.timestamp + DELAY);
        _checkSet(2, 5, 3);
        _refused(abi.encodeCall(destination.cancelAttesters, ()), _nothingPending(), "in force");
        _checkSet(2, 5, 3);
    }

    function test_attesterAdmin__onlyTheRole() external {
        bytes[2] memory calls = [
            abi.encodeCall(destination.proposeAttesters, (_addresses(0, 3), 2)),
            abi.encodeCall(destination.cancelAttesters, ())
        ];
        bytes32 role = destination.ATTESTER_ADMIN_ROLE();
        destination.revokeRole(role, address(this));
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory reason = abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), role
            );
            _refused(calls[i], reason, "not the role");
        }
    }

    function _propose(uint256 first, uint256 count) private {
        destination.proposeAttesters(_addresses(first, count), _leastOf(count));
    }

    function _leastOf(uint256 count) private pure returns (uint256) {
        return count == 0 ? 0 : (2 * count + 2) / 3;
    }

    function _checkSet(uint256 first, uint256 count, uint256 version) private view {
        (address[] memory attesters, uint256 threshold, uint256 number) = destination.attesterSet();
        _true(keccak256(abi.encode(attesters)) == keccak256(abi.encode(_addresses(first, count))), "attesters");
        _equal(threshold, _leastOf(count), "threshold");
        _equal(number, version, "version");
    }

    function _checkPending(uint256 first, uint256 count, uint256 version, uint256 from) private view {
        (address[] memory attesters, uint256 threshold, uint256 number, uint256 activeFrom) =
            destination.pendingAttesterSet();
        _true(keccak256(abi.encode(attesters)) == keccak256(abi.encode(_addresses(first, count))), "pending");
        _equal(threshold, _leastOf(count), "pending threshold");
        _equal(number, version, "pending version");
        _equal(activeFrom, from, "in force from");
    }

    function _accept(bytes[] memory signatures) private {
        _succeed(address(destination), _delivery(_batch, _messages, signatures));
        _checkReceived(_messages, 1);
    }

    function _refuse(bytes[] memory signatures, bytes memory reason) private {
        _refused(_delivery(_batch, _messages, signatures), reason, "signatures");
        _checkReceived(_messages, 0);
    }

    function _refuseSecond(bytes memory signature, string memory what) private {
        bytes[] memory given = _sign(_batch, 0, THRESHOLD);
        given[1] = signature;
        bytes memory reason = abi.encodeWithSelector(IAttestedGateway.InvalidSignature.selector, 1);
        _refused(_delivery(_batch, _messages, given), reason, what);
    }

    function _refuseSignedFor(uint256 chain, address gateway) private {
        bytes[] memory given = new bytes[](THRESHOLD);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            given[i] = _signature(keys[i], _digest(_batch, chain, gateway));
        }
        (bool succeeded,) = address(destination).call(_delivery(_batch, _messages, given));
        _true(!succeeded, "another domain");
        _checkReceived(_messages, 0);
    }

    function _refuseSet(address[] memory attesters, uint256 index) private {
        bytes memory reason = abi.encodeWithSelector(
            IAttestedGateway.AttestersNotAscending.selector, index, attesters[index]
        );
        _refused(abi.encodeCall(destination.proposeAttesters, (attesters, 2)), reason, "order");
    }

    /// @dev The word that holds `value`, of those that say who attests.
    function _wordOf(uint256 value) private returns (bytes32) {
        vm.record();
        destination.attesterSet();
        (bytes32[] memory words,) = vm.accesses(address(destination));
        for (uint256 i = 0; i < words.length; ++i) {
            if (uint256(vm.load(address(destination), words[i])) == value) return words[i];
        }
        revert Untrue("there is such a word");
    }

    function _split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }

    function _tooFew(uint256 given) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAttestedGateway.TooFewSignatures.selector, given, THRESHOLD);
    }

    function _notAscending(uint256 index, uint256 number) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IAttestedGateway.SignersNotAscending.selector, index, vm.addr(keys[number])
        );
    }

    function _notAMember(uint256 index, uint256 number) private view returns (bytes memory) {
        return abi.encodeWithSelector(IAttestedGateway.NotAnAttester.selector, index, vm.addr(keys[number]));
    }

    function _ruleBroken(uint256 n, uint256 k) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAttestedGateway.InvalidAttesterSet.selector, n, k);
    }

    function _nothingPending() private pure returns (bytes memory) {
        return _error(IAttestedGateway.NoPendingAttesters.selector);
    }
}
