// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title The list of programmes that take part.
/// @notice REGISTRAR_ROLE adds a programme and its token once and may suspend it; nothing is ever removed or replaced,
/// so that what an auditor replays stays valid. Other contracts deal only with tokens that are active here.
interface IProgrammeRegistry {
    /// @notice A programme was added with the code hash its token had.
    event ProgrammeRegistered(bytes32 indexed programmeId, address indexed token, bytes32 codeHash);
    /// @notice A programme must not be dealt with until resumed.
    event ProgrammeSuspended(bytes32 indexed programmeId);
    /// @notice A suspended programme is active again.
    event ProgrammeResumed(bytes32 indexed programmeId);

    /// @notice The id is zero.
    error InvalidProgrammeId();
    /// @notice The address has no code or does not implement IPointsToken.
    error NotAPointsToken(address token);
    /// @notice The programme or the token is registered already.
    error AlreadyRegistered(bytes32 programmeId, address token);
    /// @notice No such programme.
    error UnknownProgramme(bytes32 programmeId);
    /// @notice The programme is in that state already.
    error StateUnchanged(bytes32 programmeId, bool active);

    /// @notice Role that adds, suspends and resumes.
    // slither-disable-next-line naming-convention // the getter of a constant
    function REGISTRAR_ROLE() external view returns (bytes32);
    /// @notice Adds a programme. The id is the programme's slug, left-aligned ASCII.
    function register(bytes32 programmeId, address token) external;
    /// @notice Suspends a programme.
    function suspend(bytes32 programmeId) external;
    /// @notice Resumes a programme.
    function resume(bytes32 programmeId) external;
    /// @notice Token of a programme; the zero address when unknown.
    function tokenOf(bytes32 programmeId) external view returns (address);
    /// @notice Token of a programme (the zero address when unknown) and whether it is active, in one read.
    function stateOf(bytes32 programmeId) external view returns (address token, bool active);
    /// @notice Programme of a token; zero when unknown.
    function programmeOf(address token) external view returns (bytes32);
    /// @notice Whether `token` is registered and not suspended.
    function isActive(address token) external view returns (bool);
    /// @notice Number of programmes ever registered.
    function count() external view returns (uint256);
    /// @notice The programme at `index`, in order of registration.
    function programmeAt(uint256 index) external view returns (bytes32);
}
