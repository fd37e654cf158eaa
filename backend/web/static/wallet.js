// Signs in with a wallet, and moves points to one (Sign-In with Ethereum, EIP-4361).

import { askWallet, declined, post } from "./api.js";

const status = document.querySelector("[data-wallet-status]");

function say(text, kind = "") {
  status.textContent = text;
  status.className = `notice ${kind}`;
}

function toHex(text) {
  return `0x${Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Lets the wallet sign the message that `path` gives for its address. */
async function prove(path) {
  const [address] = await askWallet("eth_requestAccounts");
  const { message } = await post(path, { address });
  const signature = await askWallet("personal_sign", toHex(message), address);
  return { message, signature };
}

async function attempt(button, action) {
  button.disabled = true;
  say("Waiting for your wallet…");
  try {
    await action();
  } catch (error) {
    const refused = declined(error);
    say(refused ? "You declined in your wallet. Nothing has changed." : error.message, refused ? "" : "differs");
  } finally {
    button.disabled = false;
  }
}

async function signIn() {
  await post("/v1/sessions/wallet", await prove("/v1/sessions/challenges"));
  location.assign("/me");
}

async function link(member) {
  const base = `/v1/members/${member}/wallet`;
  const answer = await post(base, await prove(`${base}/challenges`));
  const moving = answer.links.some((each) => each.operation_id);
  say(moving ? "Your wallet is linked. Your points are on their way there." : "Your wallet is linked.", "same");
  const linked = new Set(answer.links.map((each) => each.enrolment_id));
  for (const button of document.querySelectorAll("[data-link-wallet]")) if (linked.has(button.dataset.enrolment)) button.closest("p").remove();
}

// The cards are replaced after a swap, so the document listens for them.
document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-wallet-sign-in], [data-link-wallet]");
  if (!button) return;
  attempt(button, button.dataset.member ? () => link(button.dataset.member) : signIn);
});
