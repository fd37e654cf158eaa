// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";

import {AttestedGateway} from "../../contracts/bridge/AttestedGateway.sol";
import {Batch, IAttestedGateway, Message} from "../../contracts/interfaces/IAttestedGateway.sol";
import {CrosschainSwap, MessageKind} from "../../contracts/interfaces/ICrosschainExchange.sol";
import {CrosschainRig} from "./CrosschainRig.sol";
import {MessageTree} from "./MessageTree.sol";
import {Log} from "./Vm.sol";

/// @notice Two chains joined by attested gateways, with three attesters of whom two sign, and everything that was ever sent.
abstract contract CrosschainPost is CrosschainRig {
    /// @notice A message: which chain it left, and what is known of its fate.
    struct Posted {
        uint256 from;
        bytes32 id;
        Message message;
        bool tried;
        bool failed;
    }

    AttestedGateway[2] public gateways;
    uint256[3] private _keys = [uint256(0xa77e571), 0xa77e572, 0xa77e573];
    Posted[] internal _posted;

    function _setUpPost(uint256 collateral) internal {
        address[] memory attesters = _sortedAttesters();
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            gateways[chain] = new AttestedGateway(attesters, 2, 2 days, address(this), 0);
            gateways[chain].grantRole(gateways[chain].PAUSER_ROLE(), address(this));
        }
        _setUpSides([address(gateways[0]), address(gateways[1])], collateral);
        for (uint256 chain = 0; chain < 2; ++chain) {
            _on(chain);
            gateways[chain].setRemote(CHAINS[1 - chain], address(gateways[1 - chain]));
            gateways[chain].setApplication(address(_sides[chain].exchange), true);
        }
    }

    /// @dev Notes what was sent since logs are recorded.
    /// @return count How many messages.
    function _collect() internal returns (uint256 count) {
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i + 1 < logs.length; ++i) {
            if (logs[i].topics[0] != IAttestedGateway.MessageQueued.selector) continue;
            uint256 from = logs[i].emitter == address(gateways[0]) ? 0 : 1;
            _true(logs[i + 1].topics[0] == IERC7786GatewaySource.MessageSent.selector, "queued, then sent");
            (,, bytes memory payload,,) = abi.decode(logs[i + 1].data, (bytes, bytes, bytes, uint256, bytes[]));
            Posted storage posted = _posted.push();
            posted.from = from;
            posted.id = logs[i].topics[1];
            posted.message = Message(
                uint256(logs[i].topics[3]),
                address(_sides[from].exchange),
                address(_sides[1 - from].exchange),
                payload
            );
            ++count;
        }
    }

    /// @dev Delivers messages of one chain to the other as a batch, well signed. Ascending.
    /// @return done False when the gateway refused the batch.
    function _deliver(uint256 from, uint256[] memory picked) internal returns (bool done) {
        uint256 n = picked.length;
        Message[] memory messages = new Message[](n);
        bytes32[] memory ids = new bytes32[](n);
        bool[] memory flags = new bool[](n - 1);
        for (uint256 i = 0; i < n; ++i) {
            messages[i] = _posted[picked[i]].message;
            ids[i] = _posted[picked[i]].id;
            if (i != 0) flags[i - 1] = true;
        }
        Batch memory batch = Batch(CHAINS[from], address(gateways[from]), block.number, MessageTree.root(ids));
        _on(1 - from);
        AttestedGateway gateway = gateways[1 - from];
        bytes[] memory signatures = _signatures(gateway.batchDigest(batch));
        bytes memory data =
            abi.encodeCall(AttestedGateway.deliver, (batch, messages, new bytes32[](0), flags, signatures));
        (done,) = address(gateway).call(data);
    }

    function _retry(Posted storage posted) internal returns (bool done) {
        _on(1 - posted.from);
        (done,) = address(gateways[1 - posted.from])
            .call(abi.encodeCall(AttestedGateway.retry, (CHAINS[posted.from], posted.message)));
    }

    function _opened(Posted storage posted)
        internal
        view
        returns (MessageKind kind, CrosschainSwap memory swapped)
    {
        return abi.decode(posted.message.payload, (MessageKind, CrosschainSwap));
    }

    function _signatures(bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        for (uint256 i = 0; i < 2; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys[i], digest);
            signatures[i] = abi.encodePacked(r, s, v);
        }
    }

    function _sortedAttesters() private returns (address[] memory attesters) {
        attesters = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(_keys[j - 1]) > vm.addr(_keys[j]); --j) {
                (_keys[j - 1], _keys[j]) = (_keys[j], _keys[j - 1]);
            }
        }
        for (uint256 i = 0; i < 3; ++i) {
            attesters[i] = vm.addr(_keys[i]);
        }
    }
}
