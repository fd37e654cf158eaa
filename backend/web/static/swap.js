// Swaps points between the member's brands: a live price, a confirmation, and how it goes on the chain.

import { askWallet, declined, get, newKey, post } from "./api.js";

const PAUSE_MS = 200;
const POSTING_PAUSE_MS = 3_000;
const POSTING_ASKS = 200;

const section = document.querySelector("[data-swap]");
const form = section.querySelector("form");
const { from, to, points } = form.elements;
const confirm = section.querySelector("[data-swap-confirm]");
const panel = section.querySelector("[data-swap-quote]");
const hint = section.querySelector("[data-swap-hint]");
const progress = section.querySelector("[data-swap-progress]");

let data = JSON.parse(document.getElementById("swap-data").textContent);
let offer = null; // What the button confirms: lane, price, bonus, and the reference it is asked for under.
let unanswered = null; // An offer that was sent and whose answer was lost: it must not be sent under another reference.
let asking = new AbortController();
let timer = 0;
let events = null;

const number = (value) => value.toLocaleString("en");
const day = (time) => new Date(time).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const percent = (bps) => `${number(bps / 100)}\u00a0%`;
const name = (slug) => data.names[slug];
const counted = (value, slug) => `${number(value)} ${name(slug)} ${value === 1 ? "point" : "points"}`;

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// ---- what is chosen

const chosen = () => data.lanes.find((lane) => lane.source === from.value && lane.destination === to.value);
const asked = () => (/^\d{1,15}$/.test(points.value.replace(/[\s,.]/g, "")) ? Number(points.value.replace(/[\s,.]/g, "")) : 0);

function offerDestinations() {
  const before = to.value;
  const destinations = data.lanes.filter((lane) => lane.source === from.value).map((lane) => lane.destination);
  to.replaceChildren(...destinations.map((slug) => element("option", name(slug), { value: slug })));
  if (destinations.includes(before)) to.value = before;
}

/** The largest open bonus of a lane that is good for so many points. */
function bonusFor(lane, wanted) {
  const open = data.bonuses.filter((each) => each.lane === lane.id && each.points >= wanted);
  return open.sort((one, other) => other.bonus_bps - one.bonus_bps)[0] ?? null;
}

// ---- words

function rateText(lane) {
  const fee = lane.fee_bps ? `, less ${percent(lane.fee_bps)}` : "";
  return `${number(lane.points_out)} for every ${number(lane.points_in)}${fee}`;
}

/** Why a swap is not possible, for people. */
function reason(code, detail, lane, answer = {}) {
  const [source, destination] = [name(lane.source), name(lane.destination)];
  const left = answer.available_points_out ?? lane.left;
  const words = {
    "insufficient-points": `You can give ${counted(answer.available_points ?? lane.available, lane.source)}.`,
    "below-minimum": `Give at least ${counted(lane.minimum, lane.source)}.`,
    "swap-amount": "That does not come to a whole point. Give more.",
    "daily-cap-reached": left ? `Only ${number(left)} more ${destination} points can be had at the moment. Give fewer, or come back later.` : `No more ${destination} points can be had at the moment. Come back later.`,
    "lane-stopped": `${source} and ${destination} have stopped swapping points this way.`,
    "lane-not-agreed": `${source} and ${destination} do not swap points this way at the moment.`,
    "programme-not-active": "Swaps are paused at the moment. Come back later.",
    "debit-cap-reached": `${source} cannot swap that many points into ${destination} at the moment. Give fewer, or come back later.`,
    "supply-cap-reached": `${destination} cannot give out that many points at the moment. Give fewer, or come back later.`,
    "expiry-not-carriable": `Some of these points expire too soon to be swapped. Spend those at ${source} first.`,
    "output-below-minimum": "The price has changed meanwhile. Look at the new one.",
    "deadline-past": "That took too long. Ask again.",
    "chain-unavailable": "Prices cannot be had at the moment. Try again soon.",
  };
  return words[code] ?? detail;
}

function expiryText(answer, lane) {
  if (!answer.lots_out) return lane.posted ? `as ${name(lane.destination)} says: it keeps these points in its own system` : "";
  if (answer.lots_out.length === 1) return day(answer.lots_out[0].expires_at);
  return answer.lots_out.map((lot) => `${number(lot.points)} on ${day(lot.expires_at)}`).join(", ");
}

// ---- the price

function show(kind, headline, rows = [], problem = "") {
  panel.className = `quote ${kind} ${to.value ? `brand-${to.value}` : ""}`;
  const list = document.createElement("dl");
  for (const [label, text] of rows.filter(([, text]) => text)) {
    const row = document.createElement("div");
    row.append(element("dt", label), element("dd", text));
    list.append(row);
  }
  const parts = [element("p", headline, { class: "headline" })];
  if (problem) parts.push(element("p", problem, { class: "problem" }));
  panel.replaceChildren(...parts, list);
}

function retract() {
  offer = null;
  confirm.disabled = true;
  confirm.textContent = "Swap";
}

function showTerms(lane) {
  hint.textContent = lane.allowed ? `You can give ${number(lane.available)}, at least ${number(lane.minimum)} at once.` : `To swap these, open this page by a link from ${name(lane.source)}.`;
  const bonus = bonusFor(lane, 1);
  const offered = bonus ? `+${percent(bonus.bonus_bps)} for up to ${counted(bonus.points, lane.source)}, until ${day(bonus.expires_at * 1000)}` : "";
  show("resting", `${name(lane.source)} to ${name(lane.destination)}`, [["Rate", rateText(lane)], ["Bonus", offered], ["Left today", number(lane.left)]]);
}

function showAnswer(answer, lane, bonus, wanted) {
  const [first] = answer.reasons;
  const headline = answer.points_out ? counted(answer.points_out, lane.destination) : `No ${name(lane.destination)} points`;
  const fewer = answer.points_in && answer.points_in < wanted ? `${number(answer.points_in)}: the rest would not come to another point` : "";
  const added = bonus && answer.bonus_points ? `${number(answer.bonus_points)} of them, +${percent(bonus.bonus_bps)} from ${name(lane.destination)}` : "";
  const rows = [
    ["Given", first ? "" : fewer],
    ["Rate", rateText(lane)],
    ["Bonus", added],
    ["Expires", first ? "" : expiryText(answer, lane)],
    ["Left today", number(answer.available_points_out ?? lane.left)],
  ];
  show(first ? "refused" : "ready", headline, rows, first ? reason(first.code, first.detail, lane, answer) : "");
  if (first || !lane.allowed) return;
  offer = { lane, bonus, pointsIn: answer.points_in, pointsOut: answer.points_out, reference: `page-${newKey()}`, order: null };
  if (unanswered && ["lane", "bonus", "pointsIn", "pointsOut"].every((each) => unanswered[each] === offer[each])) offer = unanswered;
  confirm.textContent = `Swap ${number(offer.pointsIn)} for ${number(offer.pointsOut)}`;
  confirm.disabled = false;
}

async function ask(lane, wanted, signal) {
  const body = { lane_id: lane.id, max_points_in: wanted };
  const bonus = bonusFor(lane, wanted);
  if (bonus) {
    const answer = await post("/v1/quotes", { ...body, quote_id: bonus.id }, { signal });
    if (!answer.reasons.some(({ code }) => code.startsWith("quote-") || code.startsWith("bonus-"))) return { answer, bonus };
    data.bonuses = data.bonuses.filter((each) => each !== bonus); // Used up or overtaken since the page was loaded.
    return ask(lane, wanted, signal);
  }
  return { answer: await post("/v1/quotes", body, { signal }), bonus: null };
}

async function requote() {
  retract();
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const lane = chosen();
  const wanted = asked();
  if (!wanted) {
    showTerms(lane);
    if (points.value.trim()) show("refused", "How many points?", [], "Write a whole number of points.");
    return;
  }
  try {
    const { answer, bonus } = await ask(lane, wanted, signal);
    if (!signal.aborted) showAnswer(answer, lane, bonus, wanted);
  } catch (error) {
    if (signal.aborted) return;
    show("refused", "No price", [], error.code ? reason(error.code, error.message, lane) : "We could not be reached. Are you online?");
  }
}

function soon() {
  retract();
  asking.abort();
  clearTimeout(timer);
  timer = setTimeout(requote, PAUSE_MS);
}

// ---- the swap

// What the contracts call a refusal, and what the API calls it beforehand.
const REFUSALS = {
  LaneNotOpen: "lane-stopped",
  DailyCapExceeded: "daily-cap-reached",
  DebitCapExceeded: "debit-cap-reached",
  ERC20InsufficientBalance: "insufficient-points",
  EnforcedPause: "programme-not-active",
  ExpiryNotCarriable: "expiry-not-carriable",
  InsufficientOutput: "output-below-minimum",
  ProgrammeNotActive: "programme-not-active",
  SupplyCapExceeded: "supply-cap-reached",
  SwapExpired: "deadline-past",
};
const STEPS = { pending: "Asked", sent: "Sent", mined: "In a block", final: "Final" };

/** Says how it goes; `state` marks the steps up to it as done. */
function say(kind, text, state = "") {
  const said = [element("p", text)];
  if (state) {
    const steps = element("ol", "", { class: "steps" });
    const reached = Object.keys(STEPS).indexOf(state);
    Object.values(STEPS).forEach((label, at) => {
      const step = element("li", label, at === reached ? { "aria-current": "step" } : {});
      step.classList.toggle("done", at <= reached);
      steps.append(step);
    });
    said.push(steps);
  }
  progress.className = `notice ${kind}`;
  progress.replaceChildren(...said);
}

/** Lets the wallet sign the order that the API prepares for it. */
async function signed(asked, wallet) {
  say("", "Waiting for your wallet…");
  const [address] = await askWallet("eth_requestAccounts");
  if (address.toLowerCase() !== wallet.toLowerCase()) throw new Error(`These points are in the wallet ${wallet}. Choose that account in your wallet, and try again.`);
  const { lane_id, max_points_in, min_points_out, quote_id } = asked;
  const order = await post("/v1/swaps/orders", { lane_id, max_points_in, min_points_out, quote_id });
  if (Number(await askWallet("eth_chainId")) !== order.chain_id) {
    await askWallet("wallet_switchEthereumChain", { chainId: `0x${order.chain_id.toString(16)}` });
  }
  const signature = await askWallet("eth_signTypedData_v4", address, JSON.stringify(order.typed_data));
  return { ref: order.ref, deadline: order.deadline, chain_id: order.chain_id, signature };
}

async function swap(current) {
  const { lane, bonus } = current;
  const body = { lane_id: lane.id, reference: current.reference, max_points_in: current.pointsIn, min_points_out: current.pointsOut, quote_id: bonus?.id ?? null };
  if (lane.wallet) current.order ??= await signed(body, lane.wallet);
  if (current.order) body.order = current.order;
  say("", "Asking for the swap…");
  return post("/v1/swaps", body, { key: current.reference });
}

/** Shows the new figures without loading the page again. */
async function refresh() {
  const fresh = new DOMParser().parseFromString(await (await fetch("/me")).text(), "text/html");
  for (const selector of [".cards", ".past", "footer"]) {
    const [old, next] = [document.querySelector(selector), fresh.querySelector(selector)];
    if (old && next) old.replaceWith(document.adoptNode(next));
  }
  for (const id of ["check-data", "swap-data"]) document.getElementById(id).textContent = fresh.getElementById(id)?.textContent ?? "{}";
  const found = JSON.parse(document.getElementById("swap-data").textContent);
  if (!found.lanes?.some(({ id }) => id === chosen().id)) return;
  data = found;
  if (!points.value) showTerms(chosen());
}

function tell(current, read, state) {
  const { lane } = current;
  if (read.state === "completed") {
    say("same", `You have ${counted(read.points_out, lane.destination)} for ${counted(read.points_in, lane.source)}.`, state);
  } else if (read.state === "refunded") {
    say("differs", `${name(lane.destination)} could not take the points. You have your ${name(lane.source)} points back.`, state);
  } else if (read.state === "posting") {
    say("", `${name(lane.destination)} is adding the points in its own system. That can take a while; you may close this page.`, state);
  } else {
    say("differs", `${reason(REFUSALS[read.error?.code] ?? "", "The chain refused the swap.", lane)} Nothing was moved.`);
  }
}

async function awaitPosting(current, id) {
  for (let asks = 0; asks < POSTING_ASKS; asks += 1) {
    await new Promise((resolve) => setTimeout(resolve, POSTING_PAUSE_MS));
    const read = await get(`/v1/swaps/${id}`);
    if (read.state !== "posting") {
      tell(current, read, "final");
      return refresh();
    }
  }
  return undefined;
}

/** Follows the swap's transaction until it cannot change any more. */
function follow(current, asked) {
  events?.close();
  const source = new EventSource(`/v1/operations/${asked.operation_id}/events`);
  events = source;
  let told = "";
  let state = "pending";
  source.addEventListener("operation", async (event) => {
    ({ state } = JSON.parse(event.data));
    if (state === "final" || state === "failed") source.close();
    if (state === "pending" || state === "sent") return say("", "Your swap is on its way.", state);
    const read = await get(`/v1/swaps/${asked.id}`);
    if (events !== source) return undefined; // Another swap has begun.
    tell(current, read, state);
    if (read.state === told) return undefined; // Final now, and otherwise the same.
    told = read.state;
    if (told === "posting") awaitPosting(current, asked.id);
    return refresh();
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED && !told) say("differs", "We lost sight of your swap. Load the page again: your history shows how it went.");
  });
}

async function confirmed(event) {
  event.preventDefault();
  const current = offer;
  if (!current) return;
  confirm.disabled = true;
  try {
    const made = await swap(current);
    unanswered = null;
    retract();
    points.value = "";
    showTerms(current.lane);
    say("", "Your swap is on its way.", "pending");
    progress.focus({ preventScroll: true });
    follow(current, made);
  } catch (error) {
    if (declined(error)) say("", "You declined in your wallet. Nothing has changed.");
    else if (error.code) say("differs", `${reason(error.code, error.message, current.lane)} Nothing was moved.`);
    else say("differs", error instanceof TypeError ? "We could not be reached. Try again: nothing happens twice." : error.message);
    if (error instanceof TypeError) unanswered = current;
    // A refusal is about what was asked for: ask anew. Otherwise the same can be sent again.
    if (error.code && !declined(error)) await requote();
    else confirm.disabled = false;
  }
}

from.addEventListener("change", () => {
  offerDestinations();
  requote();
});
to.addEventListener("change", requote);
points.addEventListener("input", soon);
section.querySelector("[data-swap-all]").addEventListener("click", () => {
  points.value = String(chosen().available);
  points.focus();
  requote();
});
form.addEventListener("submit", confirmed);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && offer) requote();
});
offerDestinations();
requote();
