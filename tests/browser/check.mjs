// Opens pages that check themselves in headless Chromium: as they were written, and with each embedded
// part changed. The good ones must say so, the changed ones must not, and none may ask the network.
//
// Usage: node check.mjs CHROMIUM PLAYWRIGHT PAGE…   (pages as `almoner` wrote them)
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [executablePath, modules, ...pages] = process.argv.slice(2);
const { chromium } = createRequire(join(resolve(modules), "x.js"))("playwright-core");
const work = mkdtempSync(join(tmpdir(), "almoner-pages-"));
const faults = [];
let opened = 0, refused = 0;

const unescaped = (html) => html.replaceAll("&quot;", '"').replaceAll("&lt;", "<")
  .replaceAll("&gt;", ">").replaceAll("&amp;", "&");
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  .replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const FILE = /(<pre class="proof-file">)([^]*?)(<\/pre>)/;
const proofOf = (html) => unescaped(FILE.exec(html)[2]);
const withProof = (html, change) =>
  html.replace(FILE, (_, open, text, close) => open + escaped(change(unescaped(text))) + close);

const extraOf = (text) =>
  JSON.parse(Buffer.from(/^extra (.*)$/m.exec(text)[1], "base64").toString("utf8"));
const withExtra = (text, change) => {
  const extra = extraOf(text);
  change(extra);
  return text.replace(/^extra .*$/m,
    `extra ${Buffer.from(JSON.stringify(extra)).toString("base64")}`);
};
const withPayload = (extra, change) => {
  const entry = JSON.parse(extra.entry);
  const statement = JSON.parse(Buffer.from(entry.payload, "base64").toString("utf8"));
  change(statement.predicate);
  entry.payload = Buffer.from(JSON.stringify(statement)).toString("base64");
  extra.entry = JSON.stringify(entry);
};

// Another digit in the place of one; another base64 letter that leaves the text well formed.
const digit = (text, at) => text.slice(0, at) + (text[at] === "1" ? "2" : "1") + text.slice(at + 1);
const hexed = (text, at) => text.slice(0, at) + (text[at] === "a" ? "b" : "a") + text.slice(at + 1);
const lettered = (text) => (text[2] === "A" ? `${text.slice(0, 2)}B` : `${text.slice(0, 2)}A`) + text.slice(3);
const noteLine = (text, at, change) => {
  const [head, ...rest] = text.split("\n\n");
  const note = rest.join("\n\n").split("\n");
  note[at] = change(note[at]);
  return `${head}\n\n${note.join("\n")}`;
};

// What a liar changes, and the steps of which at least one must fail. A step of null: any.
const tampers = (html) => {
  const proof = proofOf(html), { claim } = extraOf(proof);
  const inProof = (change) => withProof(html, change);
  const inClaim = (change) => inProof((text) => withExtra(text, (extra) => change(extra.claim)));
  const hashes = proof.split("\n\n")[0].split("\n").slice(3);
  const lies = [
    ["the entry's body", ["log"], inProof((text) =>
      withExtra(text, (extra) => withPayload(extra, (body) => { body.nonce = hexed(body.nonce, 3); })))],
    ["the entry's own signature", ["log"], inProof((text) => withExtra(text, (extra) => {
      const entry = JSON.parse(extra.entry);
      entry.signatures[0].sig = lettered(entry.signatures[0].sig);
      extra.entry = JSON.stringify(entry);
    }))],
    ["the index", ["log"], inProof((text) => text.replace(/^index (\d+)$/m, (_, n) => `index ${+n + 1}`))],
    ["the format", ["form"], inProof((text) => text.replace("tlog-proof@v1", "tlog-proof@v2"))],
    ["the checkpoint's origin", ["signed"], inProof((text) => noteLine(text, 0, (line) => `${line}x`))],
    ["the checkpoint's size", ["signed"], inProof((text) => noteLine(text, 1, (n) => String(+n + 1)))],
    ["the checkpoint's root", ["log", "signed"], inProof((text) => noteLine(text, 2, lettered))],
    ["the checkpoint's signature", ["signed"], inProof((text) =>
      noteLine(text, 4, (line) => line.replace(/\S+$/, (word) => word.slice(0, 20) + lettered(word.slice(20)))))],
    ["the checkpoint's signature, taken away", ["form"], inProof((text) => noteLine(text, 4, () => ""))],
    ["the log's key", ["signed"], html.replace(/(class="check-vkey">[^<+]*\+)([0-9a-f]{8})/,
      (_, before, id) => before + hexed(id, 0))],
    ["the proof, cut off", ["form"], inProof((text) => text.slice(0, text.length / 2))],
    ["the proof, taken away", [null], html.replace(FILE, "")],
  ];
  hashes.forEach((hash, at) => {
    lies.push([`hash ${at} of the path`, ["log"], inProof((text) => text.replace(hash, lettered(hash)))]);
  });
  if (hashes.length > 0) {
    lies.push(["a hash of the path, left out", ["log"], inProof((text) => text.replace(`${hashes[0]}\n`, ""))]);
  }
  if (hashes.length > 1) {
    lies.push(["two hashes of the path, changed over", ["log"], inProof((text) =>
      text.replace(`${hashes[0]}\n${hashes[1]}`, `${hashes[1]}\n${hashes[0]}`))]);
  }
  if (claim.kind === "line") {
    const figure = /(<span class="figure">[^<]*?)(\d)/;
    if (figure.test(html)) {
      lies.push(["the amount at the top", ["shown"],
        html.replace(figure, (_, before, one) => before + (one === "9" ? "8" : +one + 1))]);
    }
    lies.push(
      ["the line's amount", ["line", "shown"], inClaim((line) => {
        line.line = line.line.replace(/"paid_minor":("?)(\d+)/, (_, mark, n) => `"paid_minor":${mark}${+n + 1}`);
      })],
      ["the line's person", ["line"], inClaim((line) => {
        line.line = line.line.replace(/"contributor":"./, '"contributor":"~');
      })],
      ["the salt", ["line"], inClaim((line) => { line.salt = hexed(line.salt, 5); })],
      ["the leaf's token", ["leaf"], inClaim((line) => { line.spot.leaf = hexed(line.spot.leaf, 5); })],
      ["the leaf's commitment", ["line", "leaf"], inClaim((line) => {
        line.spot.leaf = hexed(line.spot.leaf, 100);
      })],
      ["the leaf's place", ["leaf"], inClaim((line) => { line.spot.index = line.count; })],
      ["the root in the entry", ["log", "leaf"], inProof((text) => withExtra(text, (extra) =>
        withPayload(extra, (body) => { body.root = hexed(body.root, 9); })))],
    );
    claim.spot.proof.forEach((hash, at) => lies.push([`hash ${at} beside the leaf`, ["leaf"],
      inClaim((line) => { line.spot.proof[at] = hexed(hash, 7); })]));
    if (claim.spot.proof.length > 0) {
      lies.push(["a hash beside the leaf, left out", ["leaf"], inClaim((line) => line.spot.proof.pop())]);
    }
  } else {
    const roots = /(<span class="hash">)([0-9a-f]{64})/g;
    lies.push(["the root on the page", ["shown"],
      html.replace(roots, (_, before, root) => before + hexed(root, 0))]);
  }
  return lies;
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

// Opens a page, and returns what it says of itself. One tab shows all pages that may run their script.
const tab = await browser.newPage();
let asked = [];
const watched = (page) => page.on("request", (request) => asked.push(request.url()));
watched(tab);

const open = async (page, html) => {
  const file = join(work, "page.html");
  writeFileSync(file, html);
  asked = [];
  await page.goto(pathToFileURL(file).href);
  opened += 1;
};

const look = async (html, wait = 10_000) => {
  await open(tab, html);
  await tab.waitForFunction(() => document.documentElement.dataset.checked, null, { timeout: wait })
    .catch(() => {});
  if (asked.length !== 1) faults.push(`a page asked for ${asked.slice(1).join(", ")}`);
  return state(tab);
};

const state = (page) => page.evaluate(() => ({
  checked: document.documentElement.dataset.checked,
  hidden: document.getElementById("check")?.hidden,
  verdict: [...document.querySelectorAll("[data-verdict]")].filter((one) => !one.hidden)
    .map((one) => one.dataset.verdict).join(),
  steps: Object.fromEntries([...document.querySelectorAll("[data-step]")].filter((one) => !one.hidden)
    .map((one) => [one.dataset.step, one.dataset.state])),
  lines: document.querySelectorAll("[data-lines] dt").length,
}));

const expect = (holds, name, what) => { if (!holds) faults.push(`${name}: ${what}`); };

for (const file of pages) {
  const name = basename(file), html = readFileSync(file, "utf8");
  const isLine = extraOf(proofOf(html)).claim.kind === "line";
  const good = await look(html);
  const wanted = isLine ? ["form", "leaf", "line", "log", "shown", "signed"] : ["form", "log", "shown", "signed"];
  expect(good.checked === "good" && good.verdict === "good", name,
    `an honest page says ${JSON.stringify(good)}`);
  expect(Object.keys(good.steps).sort().join() === wanted.join(), name, `its steps are ${Object.keys(good.steps)}`);
  expect(isLine === good.lines > 3, name, "what the line says is not shown");
  const vkey = await tab.textContent(".check-vkey");
  await tab.fill("#check-key", vkey);
  expect((await state(tab)).steps.key === "good", name, "the right key, put in, is not taken");
  await tab.fill("#check-key", hexed(vkey, vkey.length - 3));
  const wrong = await state(tab);
  expect(wrong.steps.key === "bad" && wrong.checked === "bad", name, "a wrong key, put in, is taken");

  const quiet = await browser.newContext({ javaScriptEnabled: false });
  const still = await quiet.newPage();
  watched(still);
  await open(still, html);
  expect(await still.locator("#check").isHidden(), name, "without script it claims a check");
  expect((await still.locator("h1").count()) === 1, name, "without script it does not read");
  await quiet.close();

  for (const [what, steps, lie] of tampers(html)) {
    if (lie === html) { faults.push(`${name}: nothing was changed for "${what}"`); continue; }
    const said = await look(lie);
    const failed = Object.keys(said.steps).filter((step) => said.steps[step] === "bad");
    const found = steps.every((step) => step === null || failed.includes(step));
    expect(said.checked === "bad" && said.verdict === "bad" && found, name,
      `${what} was changed, and it says ${JSON.stringify(said)}`);
    refused += 1;
  }
  // The page's policy names the script by its hash: another one does not run at all.
  const script = /<script>"use strict";[^]*?<\/script>/, claim = "document.documentElement.dataset.checked='good'";
  for (const [what, lie] of [
    ["a script that was changed", html.replace('"use strict";', '"use strict"; ')],
    ["a script that was added", html.replace(script, "").replace("<main", `<script>${claim}</script><main`)],
    ["a handler on an element", html.replace(script, "").replace("<h1>", `<img alt src onerror="${claim}"><h1>`)],
  ]) {
    const said = await look(lie, 500);
    expect(lie !== html && said.checked === undefined && said.hidden !== false, name, `${what} ran`);
    refused += 1;
  }
}
await browser.close();
rmSync(work, { recursive: true });
for (const fault of faults) console.log(fault);
console.log(`${pages.length} pages that check themselves: ${opened} openings, ${refused} changed ones refused, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
