// Signs in with a wallet, and moves points to one (Sign-In with Ethereum, EIP-4361; EIP-1193 provider).

const status = document.querySelector("[data-wallet-status]");

function say(text, kind = "") {
  status.textContent = text;
  status.className = `notice ${kind}`;
}

async function post(path, body) {
  const headers = { "content-type": "application/json", "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? answer.title);
  return answer;
}

function toHex(text) {
  return `0x${Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Lets the wallet sign the message that `path` gives for its address. */
async function prove(path) {
  if (!window.ethereum) throw new Error("No wallet was found in this browser. Open this page in your wallet's browser, or install its extension.");
  const [address] = await window.ethereum.request({ method: "eth_requestAccounts" });
  const { message } = await post(path, { address });
  const signature = await window.ethereum.request({ method: "personal_sign", params: [toHex(message), address] });
  return { message, signature };
}

async function attempt(button, action) {
  button.disabled = true;
  say("Waiting for your wallet…");
  try {
    await action();
  } catch (error) {
    const refused = error.code === 4001;
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

for (const button of document.querySelectorAll("[data-wallet-sign-in]")) {
  button.addEventListener("click", () => attempt(button, signIn));
}
for (const button of document.querySelectorAll("[data-link-wallet]")) {
  button.addEventListener("click", () => attempt(button, () => link(button.dataset.member)));
}
