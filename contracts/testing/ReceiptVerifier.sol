// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @notice Test double: checks a batch receipt as a member's own contract would, with OpenZeppelin's MerkleProof.
contract ReceiptVerifier {
    /// @notice Whether the receipt is in the batch `batchId`. Leaves are hashed twice, as StandardMerkleTree does.
    function isInBatch(bytes32 batchId, address account, uint256 amount, bytes32 eventHash, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, amount, eventHash))));
        return MerkleProof.verifyCalldata(proof, batchId, leaf);
    }
}
