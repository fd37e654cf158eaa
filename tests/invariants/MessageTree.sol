// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @notice The tree of a batch as the interface describes it, node by node: what attesters and relayers compute.
library MessageTree {
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        return nodes(leaves)[0];
    }

    /// @notice Of n leaves, leaf i is node 2n-2-i; node i hashes the sorted pair of nodes 2i+1 and 2i+2.
    function nodes(bytes32[] memory leaves) internal pure returns (bytes32[] memory tree) {
        uint256 n = leaves.length;
        tree = new bytes32[](2 * n - 1);
        for (uint256 i = 0; i < n; ++i) {
            tree[2 * n - 2 - i] = leaves[i];
        }
        for (uint256 i = n - 1; i > 0; --i) {
            tree[i - 1] = Hashes.commutativeKeccak256(tree[2 * i - 1], tree[2 * i]);
        }
    }

    /// @notice What proves the leaves that `picked` marks: the nodes they do not give, and which pairs are of two known nodes.
    function proofOf(bytes32[] memory leaves, bool[] memory picked)
        internal
        pure
        returns (bytes32[] memory proof, bool[] memory flags)
    {
        uint256 n = leaves.length;
        bytes32[] memory tree = nodes(leaves);
        bool[] memory known = new bool[](2 * n - 1);
        for (uint256 i = 0; i < n; ++i) {
            known[2 * n - 2 - i] = picked[i];
        }
        proof = new bytes32[](n);
        flags = new bool[](n);
        uint256 proofs = 0;
        uint256 pairs = 0;
        for (uint256 right = 2 * n - 2; right > 0; right -= 2) {
            uint256 left = right - 1;
            if (!known[left] && !known[right]) continue;
            flags[pairs] = known[left] && known[right];
            if (!flags[pairs]) proof[proofs++] = known[left] ? tree[right] : tree[left];
            ++pairs;
            known[right / 2 - 1] = true;
        }
        // Arrays may be made shorter in place.
        assembly ("memory-safe") {
            mstore(proof, proofs)
            mstore(flags, pairs)
        }
    }
}
