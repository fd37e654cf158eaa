"""A wallet in the page: an EIP-1193 provider whose key is real and stays outside of the browser."""

from __future__ import annotations

from eth_account import Account
from eth_account.messages import encode_defunct
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
        self.signed: list[str] = []

    def install(self, page: Page) -> None:
        """Makes the wallet known to the page before its scripts run."""
        page.expose_function("walletRequest", self._request)
        page.add_init_script(PROVIDER)

    def _request(self, method: str, parameters: list[str]) -> dict[str, object]:
        if self.declines:
            return {"error": {"code": 4001, "message": "User rejected the request."}}
        if method == "eth_requestAccounts":
            return {"result": [self.account.address]}
        if method == "personal_sign":
            message, address = parameters
            assert address == self.account.address
            text = bytes.fromhex(message[2:]).decode()
            self.signed.append(text)
            signature = self.account.sign_message(encode_defunct(text=text)).signature
            return {"result": "0x" + bytes(signature).hex()}
        return {"error": {"code": 4200, "message": f"{method} is not supported."}}
