// Requests to our own API, and to the wallet of this browser (EIP-1193).

export const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

/** A refusal: `code` is the last part of the problem's type (RFC 9457), `message` its detail. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.code = (problem.type ?? "").split("/").pop();
  }
}

async function answerOf(response) {
  const answer = await response.json();
  if (!response.ok) throw new Refusal(answer);
  return answer;
}

export const get = async (path) => answerOf(await fetch(path));

/** A request repeated under the same key does nothing twice. */
export async function post(path, body, { key = newKey(), signal } = {}) {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  return answerOf(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal }));
}

/** Asks the wallet; `declined` tells whether an error means that the person said no there. */
export async function askWallet(method, ...params) {
  if (!window.ethereum) throw new Error("No wallet was found in this browser. Open this page in your wallet's browser, or install its extension.");
  return window.ethereum.request(params.length ? { method, params } : { method });
}

export const declined = (error) => error.code === 4001;
