// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IExchange, Quote, SwapRequest} from "../interfaces/IExchange.sol";
import {ExchangeLanes, OpenLane} from "./ExchangeLanes.sol";

/// @title What is signed: members' orders and destinations' quotes.
abstract contract ExchangeQuotes is ExchangeLanes, EIP712 {
    // slither-disable-start timestamp // quotes end by block time; seconds of leeway for a validator do not matter

    bytes32 private constant SWAP_TYPEHASH = keccak256(
        "Swap(address account,bytes32 laneId,address to,uint256 maxIn,uint256 minOut,bytes32 ref,bytes32 quoteId,uint256 deadline)"
    );
    bytes32 private constant QUOTE_TYPEHASH = keccak256(
        "Quote(bytes32 quoteId,bytes32 laneId,uint32 version,address account,uint48 maxIn,uint16 bonusBps,uint48 expiresAt)"
    );

    string private constant NAME = "Interpoints Exchange";
    string private constant VERSION = "1";

    mapping(bytes32 destination => mapping(bytes32 quoteId => bool used)) private _usedQuotes;

    constructor() EIP712(NAME, VERSION) {}

    /// @inheritdoc IExchange
    function isQuoteUsed(bytes32 destination, bytes32 quoteId) external view returns (bool) {
        return _usedQuotes[destination][quoteId];
    }

    /// @inheritdoc EIP712
    function eip712Domain()
        public
        view
        override
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), 0, new uint256[](0));
    }

    /// @dev Reverts unless `signature` is the account's over the request with this quote.
    function _authorizeOrder(
        address account,
        SwapRequest calldata request,
        bytes32 quoteId,
        bytes calldata signature
    ) internal view {
        bytes32 structHash = keccak256(
            abi.encode(
                SWAP_TYPEHASH,
                account,
                request.laneId,
                request.to,
                request.maxIn,
                request.minOut,
                request.ref,
                quoteId,
                request.deadline
            )
        );
        if (!SignatureChecker.isValidSignatureNowCalldata(account, _hashTypedDataV4(structHash), signature)) {
            revert InvalidOrderSignature(account);
        }
    }

    /// @dev Uses up a quote, which must be good for the swap and signed by a quoter of the destination. The bonus itself is
    /// checked with the price.
    function _useQuote(
        OpenLane memory lane,
        address destinationToken,
        address account,
        uint256 pointsIn,
        Quote calldata quote
    ) internal {
        bytes32 quoteId = quote.quoteId;
        if (quote.account != account || quote.laneId != lane.id || quote.version != lane.version) {
            revert QuoteMismatch(quoteId);
        }
        if (_usedQuotes[lane.destination][quoteId]) revert QuoteUsed(quoteId);
        if (block.timestamp > quote.expiresAt) revert QuoteExpired(quoteId, quote.expiresAt);
        if (pointsIn > quote.maxIn) revert QuoteExceeded(quoteId, pointsIn, quote.maxIn);
        if (!_isSignedByQuoter(destinationToken, quote)) revert InvalidQuoteSignature(quoteId, quote.signer);

        _usedQuotes[lane.destination][quoteId] = true;
    }

    function _isSignedByQuoter(address destinationToken, Quote calldata quote) private view returns (bool) {
        if (!_hasTokenRole(destinationToken, QUOTER_ROLE, quote.signer)) return false;
        bytes32 structHash = keccak256(
            abi.encode(
                QUOTE_TYPEHASH,
                quote.quoteId,
                quote.laneId,
                quote.version,
                quote.account,
                quote.maxIn,
                quote.bonusBps,
                quote.expiresAt
            )
        );
        return SignatureChecker.isValidSignatureNowCalldata(
            quote.signer, _hashTypedDataV4(structHash), quote.signature
        );
    }

    // slither-disable-end timestamp
}
