// Asks the chain for the member's lots, from this browser, and compares them with what the page shows.

const WORD = 64;
// Read anew for each check: a swap replaces the figures.
let data = {};
let status = null;

async function ask(method, ...params) {
  const response = await fetch(data.rpcUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    credentials: "omit",
  });
  const answer = await response.json();
  if (answer.error) throw new Error(answer.error.message);
  return answer.result;
}

/** Decodes `Lot[]`: offset, length, then an epoch and an amount for each; all below 2^53. */
function decodeLots(answer) {
  const words = answer.slice(2).match(new RegExp(`.{${WORD}}`, "g")) ?? [];
  const numbers = words.map((word) => Number(BigInt(`0x${word}`)));
  const lots = new Map();
  for (let at = 0; at < numbers[1]; at += 1) lots.set(numbers[2 + 2 * at], numbers[3 + 2 * at]);
  return lots;
}

async function lotsOf(programme, account) {
  const call = { to: programme.token, data: data.lotsOf + account.slice(2).toLowerCase().padStart(WORD, "0") };
  return decodeLots(await ask("eth_call", call, `0x${programme.block.toString(16)}`));
}

function mark(element, text, same) {
  element.textContent = text;
  element.classList.toggle("same", same);
  element.classList.toggle("differs", !same);
}

/** Marks one lot of the page; answers whether chain and page agree. */
function markLot(card, account, epoch, shown, onChain) {
  const row = card.querySelector(`[data-lot="${account}/${epoch}"]`);
  const same = shown === onChain;
  row.classList.toggle("differs", !same);
  mark(row.querySelector("[data-answer]"), same ? "✓ the same on chain" : `✗ on chain: ${onChain.toLocaleString("en")}`, same);
  return same;
}

async function checkProgramme(programme) {
  const card = document.querySelector(`[data-programme="${programme.slug}"]`);
  let differences = 0;
  let missing = 0;
  for (const account of programme.accounts) {
    const onChain = await lotsOf(programme, account);
    for (const lot of programme.lots.filter((each) => each.account === account)) {
      if (!markLot(card, account, lot.epoch, lot.points, onChain.get(lot.epoch) ?? 0)) differences += 1;
      onChain.delete(lot.epoch);
    }
    for (const amount of onChain.values()) {
      differences += 1;
      missing += amount;
    }
  }
  const result = card.querySelector("[data-result]");
  if (missing) mark(result, `✗ the chain has ${missing.toLocaleString("en")} more points than this page shows`, false);
  else mark(result, programme.lots.length ? "" : "✓ none on chain either", true);
  return differences;
}

function say(kind, ...lines) {
  status.className = kind;
  status.replaceChildren(
    ...lines.map((line) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = line;
      return paragraph;
    }),
  );
}

async function check(button) {
  data = JSON.parse(document.getElementById("check-data").textContent);
  status = document.querySelector("[data-check-status]");
  button.disabled = true;
  say("", "Asking the chain…");
  try {
    const { chainId, block } = data.programmes[0];
    const found = Number(await ask("eth_chainId"));
    if (found !== chainId) throw new Error(`this is chain ${found}, not ${chainId}`);
    const header = await ask("eth_getBlockByNumber", `0x${block.toString(16)}`, false);
    if (!header) throw new Error(`it does not have block ${block}; load the page again`);
    let differences = 0;
    for (const programme of data.programmes) differences += await checkProgramme(programme);
    const where = `Block ${block.toLocaleString("en")}, ${header.hash}`;
    if (differences === 0) say("same", "✓ Every lot is the same on chain.", where);
    else say("differs", `✗ ${differences} ${differences === 1 ? "lot differs" : "lots differ"} from the chain. The chain counts: show this to the shop.`, where);
  } catch (error) {
    say("differs", `The chain could not be asked: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-check]");
  if (button) check(button);
});
