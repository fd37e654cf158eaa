// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";

/// @notice All messages of one finalised block of the source chain for one destination chain.
/// @param sourceChain Chain id of the source.
/// @param sourceGateway Gateway there that logged the messages.
/// @param blockNumber The block.
/// @param root Root of the tree whose leaves are the messages' ids, in order of their nonces.
struct Batch {
    uint256 sourceChain;
    address sourceGateway;
    uint256 blockNumber;
    bytes32 root;
}

/// @notice A message as it was sent.
/// @param nonce Number among the messages from its source to its destination: from 1, without gaps.
/// @param sender Application that sent it, on the source chain.
/// @param recipient Application it is for, on the destination chain.
/// @param payload What it says.
struct Message {
    uint256 nonce;
    address sender;
    address recipient;
    bytes payload;
}

/// @title Messages between chains, attested by k of n.
/// @notice An ERC-7786 gateway with ERC-7930 addresses, on both ends of each route. It transports and no more: it owns nothing,
/// and the only thing it ever calls is `receiveMessage` of a registered application.
///
/// Message id: `keccak256(abi.encode(sourceChain, sourceGateway, destinationChain, destinationGateway, nonce, sender, recipient,
/// keccak256(payload)))`. It is the `sendId` at the source, the `receiveId` at the destination, and the leaf of its batch.
///
/// Tree: OpenZeppelin's complete binary tree, leaves not sorted. Of n leaves, leaf i is node 2n-2-i; node i is the hash of the
/// sorted pair of nodes 2i+1 and 2i+2; node 0 is the root. A leaf hashes 256 bytes, an inner node 64, so neither can pass for
/// the other.
///
/// Attestation: an EIP-712 signature over
/// `Batch(uint256 sourceChain,address sourceGateway,uint256 blockNumber,bytes32 root)` in the domain "Interpoints Gateway", "1",
/// with the *destination's* chain id and gateway. So it is good on one chain (a fork with another id is another chain), at one
/// gateway, for one source.
///
/// Attester sets. At least two, and at least two thirds, of a set must sign; this is checked whenever a batch is verified. A new
/// set comes into force by itself `rotationDelay` after it was proposed. What counts is the set in force when a batch is
/// *delivered*, not when its messages were sent: messages under way need no new attestation as far as members of both sets have
/// signed, and new members sign old batches on demand. Signatures of members that left count no more from that second on.
///
/// Delivery. Anybody may deliver. Every message is tried once, in any order; one that fails leaves the others of its batch alone
/// and is kept as *failed* until somebody's `retry` succeeds. A recipient gets MESSAGE_GAS in a delivery and whatever the
/// caller pays for in a retry; with too little gas a delivery reverts as a whole, so nobody can make a message fail by starving it.
///
/// Trust assumptions
/// - As many attesters as the threshold can invent messages from any application on a registered remote chain to any
///   registered application here. Fewer can do nothing. More than n - threshold that stay away stop the route.
/// - Attesters sign final blocks only. A source chain that drops a final block can leave a message delivered that was never sent.
/// - Whoever delivers decides when and in which order; it cannot change, invent, lose or repeat a message.
/// - A registered application answers `receiveMessage` with its selector or reverts. One that does its work and then answers
///   something else is counted as failed and may be called again: that is its own fault, and its own loss.
/// - ATTESTER_ADMIN_ROLE names the attesters. Whoever holds it for longer than `rotationDelay` unnoticed is all of them.
/// - PAUSER_ROLE stops and resumes sending, delivering and retrying on this chain.
/// - DEFAULT_ADMIN registers remote gateways (each chain's once, for good) and applications, and grants roles.
interface IAttestedGateway is IERC7786GatewaySource {
    /// @notice A message was sent. The log right after it is its `MessageSent`.
    event MessageQueued(bytes32 indexed messageId, uint256 indexed destinationChain, uint256 indexed nonce);
    /// @notice The recipient has taken the message.
    event MessageDelivered(bytes32 indexed messageId, uint256 indexed sourceChain, uint256 indexed nonce);
    /// @notice The recipient has not taken the message; `retry` is open to anybody.
    /// @param reason What the recipient reverted with, its first 256 bytes; or `NotAnApplication`, or `UnexpectedAnswer`.
    event MessageFailed(
        bytes32 indexed messageId, uint256 indexed sourceChain, uint256 indexed nonce, bytes reason
    );
    /// @notice A set of attesters was proposed (the first: set at deployment) that is in force from `activeFrom` on.
    event AttestersProposed(uint256 indexed version, address[] attesters, uint256 threshold, uint256 activeFrom);
    /// @notice A proposed set will not come into force: cancelled, or replaced by another proposal.
    event AttestersCancelled(uint256 indexed version);
    /// @notice The gateway of another chain is known from now on.
    event RemoteSet(uint256 indexed chain, address gateway);
    /// @notice An application may send and receive from now on, or no longer.
    event ApplicationSet(address indexed application, bool allowed);

    /// @notice The account is not a registered application.
    error NotAnApplication(address account);
    /// @notice A message carries no money.
    error ValueNotSupported(uint256 value);
    /// @notice Not the ERC-7930 address, in its only proper form, of an account on a registered remote chain.
    error InvalidRecipient(bytes recipient);
    /// @notice The payload is longer than MAX_PAYLOAD.
    error PayloadTooLong(uint256 length, uint256 most);
    /// @notice No such gateway is registered for that chain.
    error UnknownRemote(uint256 chain, address gateway);
    /// @notice A set of n attesters of which k must sign is against the rules: 2 <= k <= n <= 32 and 3k >= 2n.
    error InvalidAttesterSet(uint256 n, uint256 k);
    /// @notice The attester is the zero address, or does not come after the one before it.
    error AttestersNotAscending(uint256 index, address attester);
    /// @notice Fewer signatures than the set in force needs.
    error TooFewSignatures(uint256 given, uint256 threshold);
    /// @notice Not 65 bytes that an account can have signed with (s high, v not 27 or 28, …).
    error InvalidSignature(uint256 index);
    /// @notice The signer does not come after the one before it.
    error SignersNotAscending(uint256 index, address signer);
    /// @notice The signer is not in the set in force: or other words were signed than those delivered.
    error NotAnAttester(uint256 index, address signer);
    /// @notice The messages are not in the batch.
    /// @dev A proof of the wrong shape reverts with OpenZeppelin's `MerkleProofInvalidMultiproof`.
    error InvalidProof();
    /// @notice All of the messages were tried before.
    error NothingToDeliver();
    /// @notice Not enough gas is left to give the next recipient MESSAGE_GAS.
    error InsufficientGas();
    /// @notice The message has not failed.
    error NotFailed(bytes32 messageId);
    /// @notice The recipient did not answer with the selector of `receiveMessage`.
    error UnexpectedAnswer(address recipient);
    /// @notice The chain's gateway is registered already.
    error RemoteAlreadySet(uint256 chain, address gateway);
    /// @notice That chain cannot have that remote gateway: zero, or this chain.
    error InvalidRemote(uint256 chain, address gateway);
    /// @notice The account has no code, or is the gateway itself: it cannot be an application.
    error InvalidApplication(address account);
    /// @notice No set waits to come into force.
    error NoPendingAttesters();

    /// @notice Role that proposes and cancels attester sets.
    // slither-disable-next-line naming-convention // the getter of a constant
    function ATTESTER_ADMIN_ROLE() external view returns (bytes32);
    /// @notice Role that pauses both directions.
    // slither-disable-next-line naming-convention // likewise
    function PAUSER_ROLE() external view returns (bytes32);
    /// @notice Most bytes of a payload.
    // slither-disable-next-line naming-convention // likewise
    function MAX_PAYLOAD() external view returns (uint256);
    /// @notice Gas that a recipient gets in a delivery.
    // slither-disable-next-line naming-convention // likewise
    function MESSAGE_GAS() external view returns (uint256);

    /// @notice Tries the messages that were not tried before. Anyone.
    /// @param batch What was signed.
    /// @param messages Messages of it, in order of their nonces.
    /// @param proof Nodes that the messages' ids do not give, as OpenZeppelin's multiproof takes them. Of a whole batch: none.
    /// @param proofFlags Whether each pair is of two known nodes. Of a whole batch of n: n - 1 times true.
    /// @param signatures Of the attesters in force, by ascending address; all must be right, more than the threshold may come.
    /// @return delivered How many were tried and did not fail.
    function deliver(
        Batch calldata batch,
        Message[] calldata messages,
        bytes32[] calldata proof,
        bool[] calldata proofFlags,
        bytes[] calldata signatures
    ) external returns (uint256 delivered);
    /// @notice Tries a failed message again, with all gas. Anyone. Reverts as the recipient does; the message then stays failed.
    function retry(uint256 sourceChain, Message calldata message) external;

    /// @notice Proposes a set, which replaces one that is still pending. ATTESTER_ADMIN_ROLE.
    /// @param attesters By ascending address.
    /// @param threshold How many of them must sign.
    function proposeAttesters(address[] calldata attesters, uint256 threshold) external;
    /// @notice Cancels the pending set. ATTESTER_ADMIN_ROLE.
    function cancelAttesters() external;
    /// @notice Registers the gateway of another chain, once and for good. DEFAULT_ADMIN.
    function setRemote(uint256 chain, address gateway) external;
    /// @notice Lets an application send and receive, or no longer. What it is sent meanwhile fails and can be retried. DEFAULT_ADMIN.
    function setApplication(address application, bool allowed) external;
    /// @notice Stops sending, delivering and retrying. PAUSER_ROLE.
    function pause() external;
    /// @notice Resumes them. PAUSER_ROLE.
    function unpause() external;

    /// @notice The id of a message on a route.
    function messageIdOf(
        uint256 sourceChain,
        address sourceGateway,
        uint256 destinationChain,
        address destinationGateway,
        Message calldata message
    ) external pure returns (bytes32);
    /// @notice What an attester of this gateway signs.
    function batchDigest(Batch calldata batch) external view returns (bytes32);
    /// @notice How many messages were sent to a chain: the nonce of the last one.
    function sentCount(uint256 destinationChain) external view returns (uint256);
    /// @notice Whether a message from a chain was tried.
    function isSeen(uint256 sourceChain, uint256 nonce) external view returns (bool);
    /// @notice Whether a message was tried and its recipient has not taken it since.
    function isFailed(bytes32 messageId) external view returns (bool);
    /// @notice The gateway of another chain; zero when none is registered.
    function remoteOf(uint256 chain) external view returns (address);
    /// @notice Whether an account is a registered application.
    function isApplication(address account) external view returns (bool);
    /// @notice The set in force. Versions count from 1; one that was cancelled leaves a gap.
    function attesterSet() external view returns (address[] memory attesters, uint256 threshold, uint256 version);
    /// @notice The set that waits, and the first second at which it is in force, Unix time; all zero when none waits.
    function pendingAttesterSet()
        external
        view
        returns (address[] memory attesters, uint256 threshold, uint256 version, uint256 activeFrom);
    /// @notice Time from proposing a set until it is in force, in seconds.
    function rotationDelay() external view returns (uint256);
}
