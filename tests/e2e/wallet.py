"""A wallet in the page: an EIP-1193 provider whose key is real and stays outside of the browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from playwright.sync_api import Page

PROVIDER = """
window.ethereum = {
  request: async ({ method, params = [] }) => {
    const answer = await window.walletRequest(method, params);
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer.result;
  },
};
"""


class Wallet:
    """Signs what the page asks for. With `declines` it refuses, as a person may."""

    def __init__(self, private_key: str | None = None) -> None:
        self.account = Account.from_key(private_key) if private_key else Account.create()
        self.declines = False
        self.chain_id = 31337
        self.signed: list[str] = []
        self.orders: list[dict[str, Any]] = []
        """Typed data that was signed."""

    def install(self, page: Page) -> None:
        """Makes the wallet known to the page before its scripts run."""
        page.expose_function("walletRequest", self._request)
        page.add_init_script(PROVIDER)

    def _request(self, method: str, parameters: list[Any]) -> dict[str, object]:
        if self.declines:
            return {"error": {"code": 4001, "message": "User rejected the request."}}
        answers: dict[str, Callable[..., dict[str, object]]] = {
            "eth_requestAccounts": lambda: {"result": [self.account.address]},
            "eth_chainId": lambda: {"result": hex(self.chain_id)},
            "wallet_switchEthereumChain": self._switch,
            "personal_sign": self._sign_message,
            "eth_signTypedData_v4": self._sign_order,
        }
        if method not in answers:
            return {"error": {"code": 4200, "message": f"{method} is not supported."}}
        return answers[method](*parameters)

    def _switch(self, chain: dict[str, str]) -> dict[str, object]:
        self.chain_id = int(chain["chainId"], 16)
        return {"result": None}

    def _sign_message(self, message: str, address: str) -> dict[str, object]:
        assert address == self.account.address
        text = bytes.fromhex(message[2:]).decode()
        self.signed.append(text)
        signature = self.account.sign_message(encode_defunct(text=text)).signature
        return {"result": "0x" + bytes(signature).hex()}

    def _sign_order(self, address: str, text: str) -> dict[str, object]:
        order = json.loads(text)
        assert address == self.account.address
        if order["domain"]["chainId"] != self.chain_id:
            return {"error": {"code": -32603, "message": "The chain of the typed data is not the active one."}}
        self.orders.append(order)
        signature = self.account.sign_message(encode_typed_data(full_message=order)).signature
        return {"result": "0x" + bytes(signature).hex()}
