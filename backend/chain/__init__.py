"""Everything that talks to a chain. The only place in the backend that imports web3."""
