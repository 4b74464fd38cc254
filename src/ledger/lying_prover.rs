//! A prover who lies: every kind of proof, honest once, then wrong, long, short, swapped, stale, of
//! another log, another size, another key, cut off anywhere, and with each of its parts changed.

use serde_json::{Map, Value, json};

use super::{
    Checkpoint, Entry, Kind, LogProof, RecordTree, Schema,
    line::Lines,
    proof_file::{Claim, Opening, ProofFile, Standing},
    record::{self, Spot},
    tree::{Hash, Tree, leaf_hash, verify_consistency, verify_inclusion},
};
use crate::{
    digest::{self, Sha3Digest, Sha256, hex},
    instant::Instant,
    signed_note::{Signer, Verifier},
};

const ORIGIN: &str = "commons.example/ledger";
const OTHER: &str = "other.example/ledger";

fn at(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(format!("entry-{n}").as_bytes())).collect()
}

/// Every way to spoil a list of hashes that leaves it another list.
fn spoilt(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let stranger = leaf_hash(b"a stranger");
    let mut lies = vec![[hashes, &[stranger]].concat(), [&[stranger], hashes].concat()];
    for at in 0..hashes.len() {
        let mut changed = hashes.to_vec();
        changed[at].0[at % 32] ^= 1;
        lies.push(changed);
        let mut missing = hashes.to_vec();
        missing.remove(at);
        lies.push(missing);
        let mut twice = hashes.to_vec();
        twice.insert(at, hashes[at]);
        lies.push(twice);
        for other in at + 1..hashes.len() {
            let mut swapped = hashes.to_vec();
            swapped.swap(at, other);
            lies.push(swapped);
        }
    }
    lies.retain(|lie| lie != hashes);
    lies
}

#[test]
fn no_wrong_long_short_or_swapped_path_shows_an_entry_in_a_log() {
    for size in 1..=34 {
        let (hashes, tree) = (leaves(size), Tree::new(leaves(size)));
        for index in 0..size {
            let (leaf, path) = (&hashes[at(index)], tree.inclusion(index).unwrap());
            let root = tree.root();
            assert!(verify_inclusion(index, size, leaf, &path, &root), "{index} of {size}");
            for lie in spoilt(&path) {
                assert!(!verify_inclusion(index, size, leaf, &lie, &root), "{index} of {size}");
            }
            for place in (0..=size).filter(|place| *place != index) {
                let moved = verify_inclusion(place, size, leaf, &path, &root);
                assert!(!moved, "entry {index} of {size} passed for entry {place}");
                if let Some(other) = hashes.get(at(place)) {
                    let passed = verify_inclusion(index, size, other, &path, &root);
                    assert!(!passed, "entry {place} of {size} passed for {index}");
                }
            }
            // What is stale: the path of the log before, under the root of the log of now.
            let now = Tree::new(leaves(size + 1));
            let stale = verify_inclusion(index, size + 1, leaf, &path, &now.root());
            assert!(!stale, "the path of {size} entries was taken for {}", size + 1);
        }
    }
}

#[test]
fn no_wrong_long_short_swapped_or_stale_path_shows_one_log_to_continue_another() {
    let trees: Vec<Tree> = (0..=20).map(|size| Tree::new(leaves(size))).collect();
    for new in 1..=20_u64 {
        let tree = &trees[at(new)];
        for old in 1..new {
            let path = tree.consistency(old).unwrap();
            let (before, after) = (trees[at(old)].root(), tree.root());
            assert!(verify_consistency(old, new, &before, &after, &path), "{old} to {new}");
            for lie in spoilt(&path) {
                assert!(!verify_consistency(old, new, &before, &after, &lie), "{old} to {new}");
            }
            let mut fork = leaves(new);
            fork[at(old) - 1] = leaf_hash(b"another history");
            let fork = Tree::new(fork);
            let forked = fork.consistency(old).unwrap();
            let passed = verify_consistency(old, new, &before, &fork.root(), &forked);
            assert!(!passed, "a log of {new} that rewrote entry {} of {old} passed", old - 1);
            for (other, tree) in (0_u64..).zip(&trees).filter(|(other, _)| *other != old) {
                let passed = verify_consistency(other, new, &tree.root(), &after, &path);
                assert!(!passed, "the proof of {old} to {new} passed for {other} to {new}");
            }
            assert!(!verify_consistency(new, old, &after, &before, &path), "a log shrank");
        }
    }
}

struct World {
    log: Signer,
    witness: Signer,
    steward: Signer,
    entries: Vec<Entry>,
    tree: RecordTree,
}

/// Makes an entry of a kind: the least body that fits, with these members in it.
fn entry(kind: Kind, members: &Value, steward: &Signer) -> Entry {
    let schema = Schema::of(kind);
    let mut body = schema.sample();
    body.extend(members.as_object().unwrap().clone());
    let time = Instant::parse("2026-11-22").unwrap();
    Entry::sign(kind, ORIGIN, time, &schema.sample_subjects(), &[], &body, steward).unwrap()
}

fn version(version: u64, tree: &RecordTree) -> Value {
    let record = json!({"root": tree.root().to_string(), "count": tree.count()});
    json!({"dataset": "diabetes", "version": version, "record": record})
}

fn money(root: &Hash, count: &Value) -> Value {
    json!({"pool": "pool-1", "period": "2026-Q4", "root": root.to_string(), "count": count})
}

/// The lines of a tree: their texts, their salts, and the tree over their leaves.
struct LineTree {
    lines: Vec<(String, Sha256)>,
    leaves: Vec<record::Leaf>,
    tree: Tree,
}

fn line_tree(lines: Lines, body: &Map<String, Value>) -> LineTree {
    let mut made: Vec<_> = (1..=12_u8)
        .map(|n| {
            let text = format!("{{\"paid_minor\":\"{}\"}}", u32::from(n) * 100);
            let salt = Sha256([n; 32]);
            let commitment = lines.commitment(body, &text, &salt.0).unwrap();
            (record::join([n; 32], commitment), (text, salt))
        })
        .collect();
    made.sort_unstable_by_key(|(leaf, _)| *leaf);
    let (leaves, lines): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    let tree = Tree::new(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
    LineTree { lines, leaves, tree }
}

impl LineTree {
    fn claim(&self, index: u64) -> Claim {
        let (line, salt) = self.lines[at(index)].clone();
        let leaf = hex(&self.leaves[at(index)]);
        let spot = Spot { index, leaf, proof: self.tree.inclusion(index).unwrap() };
        Claim::Line { line, salt, spot, count: 12 }
    }
}

fn person(n: u8) -> [u8; 32] {
    [n; 32]
}

fn world() -> World {
    let log = Signer::from_seed(ORIGIN, &[1; 32]).unwrap();
    let steward = Signer::from_seed("commons.example/ledger/steward", &[2; 32]).unwrap();
    let witness = Signer::witness("witness.example/w", &[3; 32]).unwrap();
    let digest = Sha3Digest::of(b"record");
    let leaves = (1..20).map(|n| record::leaf(&person(n), "diabetes", 2, &digest)).collect();
    let tree = RecordTree::build(leaves).unwrap();
    let place = money(&Sha256([0; 32]), &json!(12));
    let payout = line_tree(Lines::Payout, place.as_object().unwrap());
    let cover = json!({"policy": "policy-1", "count": 12});
    let cover_lines = line_tree(Lines::Cover, cover.as_object().unwrap());
    let mut cover = cover;
    cover["root"] = cover_lines.tree.root().to_string().into();
    let entries = vec![
        entry(Kind::DatasetVersion, &version(1, &tree), &steward),
        entry(Kind::DatasetVersion, &version(2, &tree), &steward),
        entry(Kind::PayoutComputed, &money(&payout.tree.root(), &json!(12)), &steward),
        entry(Kind::CoverEvaluated, &cover, &steward),
        entry(Kind::PayoutComputed, &money(&payout.tree.root(), &json!("<10")), &steward),
    ];
    World { log, witness, steward, entries, tree }
}

impl World {
    fn tree_of(&self, size: usize) -> Tree {
        Tree::new(self.entries[..size].iter().map(Entry::id).collect())
    }

    fn place(&self, index: usize, size: usize) -> LogProof {
        let tree = self.tree_of(size);
        let checkpoint =
            Checkpoint { origin: ORIGIN.to_owned(), size: size as u64, root: tree.root() };
        LogProof {
            extra: None,
            index: index as u64,
            hashes: tree.inclusion(index as u64).unwrap(),
            checkpoint: checkpoint.sign(&self.log).unwrap(),
        }
    }

    fn proof(&self, index: usize, claim: Claim) -> ProofFile {
        ProofFile::new(self.entries[index].clone(), claim, self.place(index, 5))
    }

    fn known(&self) -> Vec<Verifier> {
        [&self.log, &self.steward].map(|key| key.verifier().clone()).to_vec()
    }

    fn record(&self, n: u8, opened: bool) -> Claim {
        let token = record::token(&person(n), "diabetes", 2);
        let opening = opened.then(|| Opening {
            record_key: Sha256(record::record_key(&person(n), "diabetes", 2)),
            record: Sha3Digest::of(b"record"),
        });
        let evidence = self.tree.prove(&token).unwrap();
        Claim::Record { token: Sha256(token), evidence, opening }
    }

    fn payout(&self) -> LineTree {
        line_tree(Lines::Payout, self.entries[2].body())
    }

    /// A proof of every kind, and what it shows.
    fn proofs(&self) -> Vec<(ProofFile, Standing)> {
        let cover = line_tree(Lines::Cover, self.entries[3].body());
        vec![
            (self.proof(0, Claim::Entry {}), Standing::Entry),
            (self.proof(1, self.record(7, false)), Standing::Present),
            (self.proof(1, self.record(7, true)), Standing::PresentWithRecord),
            (self.proof(1, self.record(77, false)), Standing::Absent),
            (self.proof(2, self.payout().claim(4)), Standing::Line),
            (self.proof(3, cover.claim(11)), Standing::Line),
            (self.proof(4, self.payout().claim(0)), Standing::Line),
        ]
    }

    /// Says what a text shows to who knows the log's key and the steward's.
    fn shows(&self, text: &str) -> Option<Standing> {
        let proofs = ProofFile::read(text).ok()?;
        let [proof] = proofs.as_slice() else { return None };
        proof.verify(&self.known()).ok().map(|verdict| verdict.standing)
    }
}

/// Every value that differs from this one in one place: a character, a number by one, an item or member
/// left out, twice or changed over with its neighbour, a member more.
fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::Null | Value::Bool(_) => vec![json!("x")],
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            [number + 1, number.wrapping_sub(1) & 0xffff_ffff].map(Value::from).to_vec()
        }
        Value::String(text) => {
            let mut lies = vec![format!("{text}0"), text.to_uppercase(), String::new()];
            for at in [0, text.len() / 3, text.len() / 2, text.len().saturating_sub(1)] {
                let mut bytes = text.clone().into_bytes();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if *byte == b'1' { b'2' } else { b'1' };
                }
                lies.extend(String::from_utf8(bytes));
                lies.extend(text.get(..at).map(str::to_owned));
            }
            lies.retain(|lie| lie != text);
            lies.into_iter().map(Value::from).collect()
        }
        Value::Array(items) => {
            let mut lies = Vec::new();
            for at in 0..items.len() {
                let mut fewer = items.clone();
                let gone = fewer.remove(at);
                lies.push(fewer);
                let mut more = items.clone();
                more.insert(at, gone);
                lies.push(more);
                let mut swapped = items.clone();
                swapped.swap(at, (at + 1) % items.len());
                lies.push(swapped);
                for lie in changed(&items[at]) {
                    let mut one = items.clone();
                    one[at] = lie;
                    lies.push(one);
                }
            }
            lies.retain(|lie| lie != items);
            lies.into_iter().map(Value::Array).collect()
        }
        Value::Object(members) => {
            let mut lies = Vec::new();
            let mut more = members.clone();
            more.insert("more".to_owned(), json!(1));
            lies.push(more);
            for (name, member) in members {
                let mut fewer = members.clone();
                fewer.remove(name);
                lies.push(fewer);
                for lie in changed(member) {
                    let mut one = members.clone();
                    one.insert(name.clone(), lie);
                    lies.push(one);
                }
            }
            lies.into_iter().map(Value::Object).collect()
        }
    }
}

#[test]
fn a_proof_of_every_kind_shows_what_it_says_and_reads_back_from_its_text() {
    let world = world();
    let proofs = world.proofs();
    for (proof, standing) in &proofs {
        let text = proof.text().unwrap();
        assert_eq!(ProofFile::parse(&text).unwrap(), *proof, "{standing:?}");
        assert_eq!(world.shows(&text), Some(*standing));
        let log = LogProof::parse(&text).unwrap();
        let known = [world.log.verifier().clone()];
        let foreign = log.verify(&proof.entry.id(), ORIGIN, &known);
        assert!(foreign.is_ok(), "{standing:?} is no tlog-proof to others");
    }
    let all: String = proofs.iter().map(|(proof, _)| proof.text().unwrap()).collect();
    assert_eq!(ProofFile::read(&all).unwrap().len(), proofs.len(), "several stand in one file");
}

#[test]
fn no_proof_with_one_part_of_its_claim_or_entry_changed_is_believed() {
    let world = world();
    for (proof, standing) in world.proofs() {
        let text = proof.text().unwrap();
        let log = LogProof::parse(&text).unwrap();
        let extra: Value = serde_json::from_slice(log.extra.as_ref().unwrap()).unwrap();
        let counted = proof.entry.body().get("count").is_some_and(Value::is_u64);
        let mut tried = 0;
        for lie in changed(&extra) {
            // An entry that hides how few its lines are leaves nothing to hold that number against.
            let few = standing == Standing::Line
                && !counted
                && lie.pointer("/claim/count") != extra.pointer("/claim/count");
            // That a stranger's token is absent too is no lie; whose token it is, the verdict's reader sees.
            let stranger = standing == Standing::Absent
                && lie.pointer("/claim/token") != extra.pointer("/claim/token");
            let bytes = digest::canonical(&lie).unwrap();
            let told = LogProof { extra: Some(bytes), ..log.clone() }.to_string();
            tried += 1;
            // Nor is a proof without its opening: it shows less.
            let less = standing == Standing::PresentWithRecord
                && lie.pointer("/claim/opening").is_none()
                && world.shows(&told) == Some(Standing::Present);
            let true_all_the_same = few || stranger || less;
            assert!(
                true_all_the_same || world.shows(&told).is_none(),
                "{standing:?} was believed: lie {tried}"
            );
        }
        assert!(tried > 20, "{tried} lies are few");
    }
}

#[test]
fn no_proof_with_one_bit_changed_or_cut_off_anywhere_is_believed() {
    let world = world();
    for (proof, standing) in world.proofs() {
        let text = proof.text().unwrap();
        let token = |text: &str| match ProofFile::parse(text).map(|proof| proof.claim) {
            Ok(Claim::Record { token, .. }) => Some(token),
            Ok(Claim::Entry {} | Claim::Line { .. }) | Err(_) => None,
        };
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 8);
            if let Ok(lie) = String::from_utf8(bytes) {
                let stranger = standing == Standing::Absent && token(&lie) != token(&text);
                let shown = world.shows(&lie);
                assert!(shown.is_none() || stranger, "{standing:?} with byte {at} changed");
            }
            let Some(cut) = text.get(..at) else { continue };
            assert_eq!(world.shows(cut), None, "{standing:?} of {at} bytes");
        }
        assert_eq!(world.shows(&format!("{text}\n")), None, "a line more");
        assert_eq!(world.shows(&format!("\n{text}")), None, "a line before");
    }
}

#[test]
fn no_proof_with_the_path_place_or_checkpoint_of_another_is_believed() {
    let world = world();
    for (proof, standing) in world.proofs() {
        let believed = |log: LogProof| {
            let lie = ProofFile::new(proof.entry.clone(), proof.claim.clone(), log);
            world.shows(&lie.text().unwrap()).is_some()
        };
        let honest = proof.log.clone();
        for hashes in spoilt(&honest.hashes) {
            assert!(!believed(LogProof { hashes, ..honest.clone() }), "{standing:?}");
        }
        for index in (0..8).filter(|index| *index != honest.index) {
            assert!(!believed(LogProof { index, ..honest.clone() }), "{standing:?} at {index}");
        }
        // Stale: the path of a smaller log under the checkpoint of now, and the other way round.
        for size in at(honest.index) + 1..5 {
            let before = world.place(at(honest.index), size);
            let checkpoint = honest.checkpoint.clone();
            assert!(!believed(LogProof { checkpoint, ..before.clone() }), "{standing:?}");
            let checkpoint = before.checkpoint;
            assert!(!believed(LogProof { checkpoint, ..honest.clone() }), "{standing:?}");
        }
        let sign = |origin: &str, size: u64, root: Hash, key: &Signer| {
            Checkpoint { origin: origin.to_owned(), size, root }.sign(key).unwrap()
        };
        let root = world.tree_of(5).root();
        let namesake = Signer::from_seed(ORIGIN, &[9; 32]).unwrap();
        let other = Signer::from_seed(OTHER, &[8; 32]).unwrap();
        let cosigned = world.witness.cosign(&format!("{ORIGIN}\n5\n"), 7).unwrap().line();
        let unsigned = honest.checkpoint.split_once("\n\n").unwrap().0.to_owned() + "\n\n";
        for checkpoint in [
            sign(ORIGIN, 5, root, &namesake),
            sign(ORIGIN, 5, root, &world.steward),
            sign(OTHER, 5, root, &world.log),
            sign(OTHER, 5, root, &other),
            sign(ORIGIN, 4, root, &world.log),
            sign(ORIGIN, 6, leaf_hash(b"x"), &world.log),
            sign(ORIGIN, 5, Sha256([0; 32]), &world.log),
            unsigned.clone() + &cosigned,
            unsigned,
        ] {
            assert!(!believed(LogProof { checkpoint, ..honest.clone() }), "{standing:?}");
        }
        let stranger = [world.steward.verifier().clone()];
        assert!(proof.verify(&stranger).is_err(), "the steward's key passed for the log's");
        assert!(proof.verify(&[]).is_err(), "nobody's word was enough");
    }
}

#[test]
fn a_claim_holds_of_its_own_entry_alone() {
    let world = world();
    let proofs = world.proofs();
    for (proof, standing) in &proofs {
        for index in (0..5).filter(|index| *index as u64 != proof.log.index) {
            // Both settlements of this world have one root, so the line stands in each.
            let twin = [2, 4].contains(&index) && [2, 4].contains(&(at(proof.log.index)));
            // Both versions of this world have one tree, but a token and an opening are of one version;
            // a token's absence and presence are of the tree.
            let tree =
                index == 0 && *standing != Standing::PresentWithRecord && proof.log.index == 1;
            if *standing == Standing::Entry || twin || tree {
                continue;
            }
            let lie = world.proof(index, proof.claim.clone());
            assert_eq!(world.shows(&lie.text().unwrap()), None, "{standing:?} of entry {index}");
        }
        let foreign = Signer::from_seed("commons.example/ledger/steward", &[7; 32]).unwrap();
        let known = [world.log.verifier().clone(), foreign.verifier().clone()];
        assert!(proof.verify(&known).is_err(), "{standing:?}: an entry that another key signed");
    }
}

#[test]
fn an_entry_that_another_log_recorded_is_not_this_logs_word() {
    let world = world();
    let steward = &world.steward;
    let time = Instant::parse("2026-11-22").unwrap();
    let body = world.entries[1].body().clone();
    let own = |name: &String| !["actor", "time", "prev", "nonce"].contains(&name.as_str());
    let body: Map<_, _> = body.into_iter().filter(|(name, _)| own(name)).collect();
    let subjects = Schema::of(Kind::DatasetVersion).sample_subjects();
    let foreign =
        Entry::sign(Kind::DatasetVersion, OTHER, time, &subjects, &[], &body, steward).unwrap();
    let tree = Tree::new(vec![foreign.id()]);
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root: tree.root() };
    let checkpoint = checkpoint.sign(&world.log).unwrap();
    let log = LogProof { extra: None, index: 0, hashes: Vec::new(), checkpoint };
    let lie = ProofFile::new(foreign, world.record(7, false), log);
    assert_eq!(world.shows(&lie.text().unwrap()), None, "its roots are of another book");
}

#[test]
fn a_proof_says_whether_the_entrys_own_signature_was_held_against_a_key() {
    let world = world();
    let (proof, _) = &world.proofs()[1];
    let alone = proof.verify(&[world.log.verifier().clone()]).unwrap();
    assert!(!alone.entry_signed, "nobody said whose the entry's signature should be");
    let witness = world.witness.verifier().clone();
    let two = proof.verify(&[world.log.verifier().clone(), witness]).unwrap();
    assert!(!two.entry_signed, "a witness's key says nothing of entries");
    assert!(proof.verify(&world.known()).unwrap().entry_signed);
}
