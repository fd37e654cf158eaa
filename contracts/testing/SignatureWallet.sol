// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice Test double: the smallest contract wallet. It accepts what its owner signs until it is locked.
contract SignatureWallet is IERC1271 {
    address public immutable owner;
    bool public locked;

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice Makes the wallet refuse every signature, or accept its owner's again.
    function setLocked(bool locked_) external {
        locked = locked_;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer, ECDSA.RecoverError error,) = ECDSA.tryRecoverCalldata(hash, signature);
        bool accepted = !locked && error == ECDSA.RecoverError.NoError && signer == owner;
        return accepted ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
