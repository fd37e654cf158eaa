// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Batch, IAttestedGateway} from "../interfaces/IAttestedGateway.sol";

/// @title Who attests, and whether enough of them did.
/// @dev Sets are kept by version and never changed: a rotation moves on in one storage word, by itself, when its time comes.
abstract contract GatewayAttesters is AccessControlDefaultAdminRules, EIP712, IAttestedGateway {
    using SafeCast for uint256;

    struct AttesterSet {
        uint256 threshold;
        address[] attesters;
    }

    /// @dev `next` (0 for none) takes the place of `current` at `nextFrom`. `last` is the newest version ever given.
    struct Rotation {
        uint64 current;
        uint64 next;
        uint64 last;
        uint48 nextFrom;
    }

    /// @inheritdoc IAttestedGateway
    bytes32 public constant ATTESTER_ADMIN_ROLE = keccak256("ATTESTER_ADMIN_ROLE");

    bytes32 private constant BATCH_TYPEHASH =
        keccak256("Batch(uint256 sourceChain,address sourceGateway,uint256 blockNumber,bytes32 root)");
    uint256 private constant MAX_ATTESTERS = 32;
    uint256 private constant LEAST_THRESHOLD = 2;

    /// @inheritdoc IAttestedGateway
    uint256 public immutable rotationDelay;

    Rotation private _rotation;
    mapping(uint256 version => AttesterSet set) private _sets;

    constructor(address[] memory attesters, uint256 threshold, uint256 rotationDelay_)
        EIP712("Interpoints Gateway", "1")
    {
        rotationDelay = rotationDelay_;
        _addSet(1, attesters, threshold);
        _rotation = Rotation({current: 1, next: 0, last: 1, nextFrom: 0});
        emit AttestersProposed(1, attesters, threshold, block.timestamp);
    }

    // slither-disable-start timestamp // rotations take days; seconds of leeway for a validator do not matter

    /// @inheritdoc IAttestedGateway
    function proposeAttesters(address[] calldata attesters, uint256 threshold)
        external
        onlyRole(ATTESTER_ADMIN_ROLE)
    {
        Rotation memory rotation = _rotation;
        uint64 version = rotation.last + 1;
        uint256 activeFrom = block.timestamp + rotationDelay;
        _addSet(version, attesters, threshold);
        _rotation = Rotation({
            current: _inForce(rotation), next: version, last: version, nextFrom: activeFrom.toUint48()
        });
        if (_isPending(rotation)) emit AttestersCancelled(rotation.next);
        emit AttestersProposed(version, attesters, threshold, activeFrom);
    }

    /// @inheritdoc IAttestedGateway
    function cancelAttesters() external onlyRole(ATTESTER_ADMIN_ROLE) {
        Rotation memory rotation = _rotation;
        if (!_isPending(rotation)) revert NoPendingAttesters();
        _rotation.next = 0;
        emit AttestersCancelled(rotation.next);
    }

    /// @inheritdoc IAttestedGateway
    function attesterSet() external view returns (address[] memory attesters, uint256 threshold, uint256 version) {
        version = _inForce(_rotation);
        (attesters, threshold) = (_sets[version].attesters, _sets[version].threshold);
    }

    /// @inheritdoc IAttestedGateway
    function pendingAttesterSet()
        external
        view
        returns (address[] memory attesters, uint256 threshold, uint256 version, uint256 activeFrom)
    {
        Rotation memory rotation = _rotation;
        if (!_isPending(rotation)) return (attesters, 0, 0, 0);
        AttesterSet storage set = _sets[rotation.next];
        return (set.attesters, set.threshold, rotation.next, rotation.nextFrom);
    }

    /// @inheritdoc IAttestedGateway
    function batchDigest(Batch calldata batch) external view returns (bytes32) {
        return _batchDigest(batch);
    }

    /// @dev Reverts unless enough attesters of the set in force signed `digest`, and nobody else did. The rules are checked here
    /// again, so that a set that came about in another way, or storage that is empty, verifies nothing.
    function _verifySignatures(bytes32 digest, bytes[] calldata signatures) internal view {
        AttesterSet storage set = _sets[_inForce(_rotation)];
        address[] memory attesters = set.attesters;
        uint256 threshold = set.threshold;
        _checkRules(attesters.length, threshold);
        if (signatures.length < threshold) revert TooFewSignatures(signatures.length, threshold);
        address previous = address(0);
        uint256 next = 0;
        for (uint256 i = 0; i < signatures.length; ++i) {
            // slither-disable-next-line unused-return // what is left out are details of the problem
            (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, signatures[i]);
            if (problem != ECDSA.RecoverError.NoError) revert InvalidSignature(i);
            if (signer <= previous) revert SignersNotAscending(i, signer);
            // Both lists ascend, so one walk through the set finds all signers.
            while (next < attesters.length && attesters[next] < signer) ++next;
            if (next == attesters.length || attesters[next] != signer) revert NotAnAttester(i, signer);
            previous = signer;
        }
    }

    function _batchDigest(Batch calldata batch) internal view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(BATCH_TYPEHASH, batch.sourceChain, batch.sourceGateway, batch.blockNumber, batch.root)
            )
        );
    }

    function _addSet(uint256 version, address[] memory attesters, uint256 threshold) private {
        _checkRules(attesters.length, threshold);
        address previous = address(0);
        for (uint256 i = 0; i < attesters.length; ++i) {
            // The zero address comes after nothing.
            if (attesters[i] <= previous) revert AttestersNotAscending(i, attesters[i]);
            previous = attesters[i];
        }
        _sets[version].threshold = threshold;
        _sets[version].attesters = attesters;
    }

    function _isPending(Rotation memory rotation) private view returns (bool) {
        return rotation.next != 0 && block.timestamp < rotation.nextFrom;
    }

    function _inForce(Rotation memory rotation) private view returns (uint64) {
        return rotation.next != 0 && block.timestamp >= rotation.nextFrom ? rotation.next : rotation.current;
    }

    // slither-disable-end timestamp

    function _checkRules(uint256 n, uint256 k) private pure {
        // `k <= n` comes before the products, so that they cannot overflow.
        if (n > MAX_ATTESTERS || k > n || k < LEAST_THRESHOLD || 3 * k < 2 * n) revert InvalidAttesterSet(n, k);
    }
}
