"use strict";
// Checks the proofs that this page brings, with the browser's own SHA-256 and Ed25519. It loads nothing,
// sends nothing and keeps nothing. What it finds it marks in the list of steps; the words stand in the
// page. Each step is decided by itself, so that one failure hides no other.
(() => {
  const utf8 = new TextEncoder();
  const text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const must = (holds) => { if (!holds) throw new Error("it does not hold"); };
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const same = (one, other) => hex(one) === hex(other);

  const unhex = (digits) => {
    must(/^([0-9a-f]{2})*$/.test(digits));
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  };

  const unbase64 = (encoded) => {
    const bytes = atob(encoded);
    must(btoa(bytes) === encoded);
    return Uint8Array.from(bytes, (one) => one.charCodeAt(0));
  };

  const natural = (digits) => {
    must(/^(0|[1-9][0-9]{0,14})$/.test(String(digits)));
    return Number(digits);
  };

  const sha256 = async (...parts) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
  const leafHash = (bytes) => sha256([0], bytes);
  const nodeHash = (left, right) => sha256([1], left, right);

  // SHA3-256 (FIPS 202), which browsers do not bring: the lines of a tree are committed to with it.
  const sha3 = (message) => {
    const rate = 136, mask = (1n << 64n) - 1n;
    const turn = (lane, by) => ((lane << by) | (lane >> (64n - by))) & mask;
    const padded = new Uint8Array((Math.floor(message.length / rate) + 1) * rate);
    padded.set(message);
    padded[message.length] ^= 0x06;
    padded[padded.length - 1] ^= 0x80;
    const lanes = new Array(25).fill(0n);
    const permute = () => {
      let register = 1;
      for (let round = 0; round < 24; round += 1) {
        const sums = [0, 1, 2, 3, 4].map((x) =>
          lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]);
        for (let at = 0; at < 25; at += 1) {
          lanes[at] ^= sums[(at + 4) % 5] ^ turn(sums[(at + 1) % 5], 1n);
        }
        let x = 1, y = 0, held = lanes[1];
        for (let step = 1; step <= 24; step += 1) {
          [x, y] = [y, (2 * x + 3 * y) % 5];
          const by = BigInt(((step * (step + 1)) / 2) % 64);
          [held, lanes[x + 5 * y]] = [lanes[x + 5 * y], by === 0n ? held : turn(held, by)];
        }
        for (let row = 0; row < 25; row += 5) {
          const old = lanes.slice(row, row + 5);
          old.forEach((lane, at) => {
            lanes[row + at] = lane ^ (~old[(at + 1) % 5] & mask & old[(at + 2) % 5]);
          });
        }
        for (let bit = 0; bit <= 6; bit += 1) {
          if (register & 1) lanes[0] ^= 1n << BigInt((1 << bit) - 1);
          register = register & 0x80 ? ((register << 1) ^ 0x171) & 0xff : register << 1;
        }
      }
    };
    for (let block = 0; block < padded.length; block += rate) {
      for (let lane = 0; lane < rate / 8; lane += 1) {
        let value = 0n;
        for (let byte = 7; byte >= 0; byte -= 1) {
          value = (value << 8n) | BigInt(padded[block + lane * 8 + byte]);
        }
        lanes[lane] ^= value;
      }
      permute();
    }
    return Uint8Array.from({ length: 32 }, (_, at) =>
      Number((lanes[at >> 3] >> BigInt(8 * (at % 8))) & 0xffn));
  };

  const hmacSha3 = (key, ...parts) => {
    const pad = (byte) => Uint8Array.from({ length: 136 }, (_, at) => (key[at] ?? 0) ^ byte);
    const framed = parts.flatMap((part) => {
      const size = new Uint8Array(4);
      new DataView(size.buffer).setUint32(0, part.length);
      return [size, part];
    });
    return sha3(joined(pad(0x5c), sha3(joined(pad(0x36), ...framed))));
  };

  // The root that a leaf's hash leads to (RFC 9162, 2.1.3.2).
  const climbed = async (leaf, index, count, path) => {
    must(index < count);
    let at = index, last = count - 1, hash = leaf;
    const half = (number) => Math.floor(number / 2);
    for (const beside of path) {
      must(last > 0);
      if (at % 2 === 1 || at === last) {
        hash = await nodeHash(beside, hash);
        while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
      } else {
        hash = await nodeHash(hash, beside);
      }
      [at, last] = [half(at), half(last)];
    }
    must(last === 0);
    return hash;
  };

  // A key as `name+id+base64`; its id is a hash over its name and bytes.
  const readKey = async (vkey) => {
    const [, name, id, encoded] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey);
    const typed = unbase64(encoded);
    must(typed.length === 33 && typed[0] === 1);
    must(hex((await sha256(utf8.encode(`${name}\n`), typed)).slice(0, 4)) === id);
    const bytes = typed.slice(1);
    const key = await crypto.subtle.importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
    return { name, id, key };
  };

  const readProof = (file) => {
    const cut = file.indexOf("\n\n");
    must(cut > 0);
    const [head, extra, index, ...hashes] = file.slice(0, cut).split("\n");
    must(head === "c2sp.org/tlog-proof@v1");
    must(extra.startsWith("extra ") && index.startsWith("index "));
    const brought = JSON.parse(text(unbase64(extra.slice(6))));
    must(brought.format === "almoner/proof/v1");
    const note = file.slice(cut + 2);
    const end = note.lastIndexOf("\n\n") + 1;
    must(end > 0 && note.endsWith("\n"));
    const signed = note.slice(0, end);
    const [origin, size, root, ...rest] = signed.split("\n");
    must(rest.length === 1 && rest[0] === "");
    const lines = note.slice(end + 1, -1).split("\n").map((line) => {
      const [dash, name, signature, more] = line.split(" ");
      must(dash === "\u2014" && name && signature && more === undefined);
      const bytes = unbase64(signature);
      return { name, id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
    });
    const envelope = JSON.parse(brought.entry);
    const statement = JSON.parse(text(unbase64(envelope.payload)));
    return {
      entry: utf8.encode(brought.entry),
      claim: brought.claim,
      index: natural(index.slice(6)),
      hashes: hashes.map(unbase64),
      signed,
      origin,
      size: natural(size),
      root: unbase64(root),
      lines,
      type: statement.predicateType,
      body: statement.predicate,
    };
  };

  // What a line's commitment is over, by the kind of its entry.
  const places = {
    "payout-computed": ["rdm/payout/v1", ["pool", "period"], false],
    "goods-given": ["rdm/giving/v1", ["pool", "item", "period"], false],
    "cover-evaluated": ["rdm/cover/v1", ["policy"], true],
  };

  const commitment = (proof, line, salt) => {
    const prefix = `https://${proof.origin}/predicate/`;
    must(proof.type.startsWith(prefix) && proof.type.endsWith("/v1"));
    const [label, members, again] = places[proof.type.slice(prefix.length, -3)];
    const digest = sha3(utf8.encode(line));
    const named = members.map((member) => utf8.encode(proof.body[member]));
    const last = again ? [digest, digest] : [digest];
    return hmacSha3(salt, utf8.encode(label), ...named, ...last);
  };

  const box = document.getElementById("check");
  const shownFigure = document.querySelector(".hero .figure")?.textContent ?? "";
  const shownHashes = [...document.querySelectorAll(".hash")].map((one) => one.textContent);
  const vkeys = [...document.querySelectorAll(".check-vkey")].map((one) => one.textContent);
  const pasted = document.getElementById("check-key");
  const found = new Map();

  const step = async (name, decide) => {
    let holds = false;
    try { holds = (await decide()) === true; } catch { holds = false; }
    found.set(name, (found.get(name) ?? true) && holds);
  };

  const checkProof = async (file, keys) => {
    let proof;
    await step("form", () => { proof = readProof(file); return true; });
    if (!proof) return null;
    await step("log", async () => {
      const id = await leafHash(proof.entry);
      return same(await climbed(id, proof.index, proof.size, proof.hashes), proof.root);
    });
    await step("signed", async () => {
      const of = (line) => (key) => line.name === key.name && line.id === key.id;
      const line = proof.lines.find((one) => one.name === proof.origin && keys.some(of(one)));
      const signed = utf8.encode(proof.signed);
      const { key } = keys.find(of(line));
      return crypto.subtle.verify({ name: "Ed25519" }, key, line.signature, signed);
    });
    if (proof.claim.kind !== "line") return proof;
    const { line, salt, spot, count } = proof.claim;
    await step("line", () => {
      const leaf = unhex(spot.leaf);
      return leaf.length === 64 && same(leaf.slice(32), commitment(proof, line, unhex(salt)));
    });
    await step("leaf", async () => {
      must(typeof proof.body.count !== "number" || proof.body.count === count);
      const path = spot.proof.map(unhex);
      must(path.every((hash) => hash.length === 32));
      const leaf = await leafHash(unhex(spot.leaf));
      const root = await climbed(leaf, natural(spot.index), natural(count), path);
      return same(root, unhex(proof.body.root));
    });
    return proof;
  };

  const digits = (figure) => figure.replace(/[^0-9]/g, "").replace(/^0+/, "");

  const mark = () => {
    for (const item of box.querySelectorAll("[data-step]")) {
      const holds = found.get(item.dataset.step);
      item.hidden = holds === undefined;
      item.dataset.state = holds ? "good" : "bad";
    }
  };

  const tell = (verdict) => {
    for (const words of box.querySelectorAll("[data-verdict]")) {
      words.hidden = words.dataset.verdict !== verdict;
    }
    box.hidden = false;
    document.documentElement.dataset.checked = verdict;
  };

  const verdict = () => ([...found.values()].every((holds) => holds) ? "good" : "bad");

  const compareKeys = () => {
    const typed = pasted.value.trim();
    if (typed === "") found.delete("key"); else found.set("key", vkeys.includes(typed));
    mark();
    tell(verdict());
  };

  const run = async () => {
    if (!globalThis.crypto?.subtle) return tell("cannot");
    const keys = [];
    for (const vkey of vkeys) {
      try {
        keys.push(await readKey(vkey));
      } catch (error) {
        if (error.name === "NotSupportedError") return tell("cannot");
        found.set("signed", false);
      }
    }
    const proofs = [];
    for (const file of document.querySelectorAll("pre.proof-file")) {
      proofs.push(await checkProof(file.textContent, keys));
    }
    if (proofs.length === 0) found.set("form", false);
    const lines = proofs.flatMap((proof) =>
      proof?.claim.kind === "line" ? [JSON.parse(proof.claim.line)] : []);
    if (box.dataset.shows === "paid") {
      await step("shown", () => {
        must(lines.length === proofs.length);
        const sum = lines.reduce((all, line) => all + BigInt(line.paid_minor), 0n);
        return digits(shownFigure) === digits(String(sum));
      });
    } else {
      await step("shown", () => proofs.every((proof) => shownHashes.includes(hex(proof.root))));
    }
    const list = box.querySelector("[data-lines]");
    for (const line of lines) {
      for (const [name, value] of Object.entries(line)) {
        const [term, said] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        said.textContent = typeof value === "string" ? value : JSON.stringify(value);
        list.append(term, said);
      }
    }
    mark();
    tell(verdict());
    pasted.addEventListener("input", compareKeys);
  };

  run().catch(() => { found.set("form", false); mark(); tell("bad"); });
})();
