// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Terms} from "../interfaces/IPointsToken.sol";
import {PointsToken} from "../tokens/PointsToken.sol";

/// @title PointsToken with an issue that has no ref, to measure what the ref costs.
contract RefFreePoints is PointsToken {
    constructor(Terms memory terms_, address admin) PointsToken("Ref-Free Points", "FREE", terms_, admin, 0) {}

    function issueWithoutRef(address to, uint256 amount) external {
        _mintCurrent(to, amount, _authorizeIssuer());
    }
}
