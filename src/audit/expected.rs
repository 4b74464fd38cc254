//! What each commit's entry must say, written anew from the commit, and compared member by member;
//! and that each commit has its entry in the book, in order, and each entry its commit.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    Audit, Check, Evidence,
    booked::Book,
    commits::{Commits, Numbered},
    covers, decided, determined,
    erased::Erased,
    generalised, goods, licences, licensed, matched, payees, payouts, policies, settled,
    shape::{Act, ConsentCommit, LinkageAct, LinkageCommit, PoolCommit},
    signers,
    table::{count, leaf_hash},
    transfers,
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical_digest, hex, hmac_sha3_parts},
    instant::Instant,
    lake::{TableVersion, Version},
    ledger::{Entry, Kind},
    usage::UsageRecord,
};

/// Members that every entry has.
const COMMON: [&str; 4] = ["actor", "nonce", "prev", "time"];

/// What an entry must say.
pub(super) struct Said {
    pub(super) kind: Kind,
    pub(super) time: Instant,
    pub(super) body: Value,
    pub(super) prev: Vec<Sha256>,
    /// Names and digests of what it speaks of.
    pub(super) subjects: Vec<(String, Sha3Digest, Option<Sha256>)>,
}

pub(super) fn compare(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    book: Option<&Book>,
) {
    let mut claimed = BTreeSet::new();
    let erased = &commits.erased;
    let consents = commits.consents.iter().map(|c| (c.path.as_str(), &c.entry, consent(c)));
    sequence(audit, (book, erased), &mut claimed, consents.collect());
    let linkage =
        commits.linkage.iter().map(|c| (c.path.as_str(), &c.entry, Some(linked(&c.body))));
    sequence(audit, (book, erased), &mut claimed, linkage.collect());
    let licences = commits.licences.iter();
    let licences = licences.map(|c| (c.path.as_str(), &c.entry, licences::said(c)));
    sequence(audit, (book, erased), &mut claimed, licences.collect());
    let parties = commits.parties.iter();
    let parties = parties.map(|c| (c.path.as_str(), &c.entry, Some(decided::related(&c.body))));
    sequence(audit, (book, erased), &mut claimed, parties.collect());
    let payees =
        commits.payees.iter().map(|c| (c.path.as_str(), &c.entry, Some(payees::said(evidence, c))));
    sequence(audit, (book, erased), &mut claimed, payees.collect());
    let mut heads = BTreeMap::new();
    let pools: Vec<_> = commits
        .pools
        .iter()
        .map(|c| (c.path.as_str(), &c.entry, pool(evidence, c, &mut heads)))
        .collect();
    sequence(audit, (book, erased), &mut claimed, pools);
    let goods = commits.goods.iter().zip(goods::said(evidence, commits));
    let goods = goods.map(|(c, said)| (c.path.as_str(), &c.entry, said));
    sequence(audit, (book, erased), &mut claimed, goods.collect());
    let covers = commits.covers.iter().zip(covers::said(evidence, commits));
    let covers = covers.map(|(c, said)| (c.path.as_str(), &c.entry, said));
    sequence(audit, (book, erased), &mut claimed, covers.collect());
    let payouts = commits
        .payouts
        .iter()
        .map(|c| (c.path.as_str(), &c.entry, payouts::said(evidence, c, commits)));
    sequence(audit, (book, erased), &mut claimed, payouts.collect());
    let policies = commits.policies.iter();
    let policies = policies.map(|c| (c.path.as_str(), &c.entry, policies::said(c)));
    sequence(audit, (book, erased), &mut claimed, policies.collect());
    let signers = commits.signers.iter().zip(signers::said(&commits.signers));
    let signers = signers.map(|(c, said)| (c.path.as_str(), &c.entry, said));
    sequence(audit, (book, erased), &mut claimed, signers.collect());
    let transfers = commits.transfers.iter();
    let transfers = transfers.map(|c| (c.path.as_str(), &c.entry, transfers::said(evidence, c)));
    sequence(audit, (book, erased), &mut claimed, transfers.collect());
    let values = commits.values.iter().map(|c| (c.path.as_str(), &c.entry, Some(c.body.said())));
    sequence(audit, (book, erased), &mut claimed, values.collect());
    let usage = commits
        .usage
        .iter()
        .map(|c| (c.path.as_str(), &c.entry, asked(evidence, &c.body, &commits.lake)));
    sequence(audit, (book, erased), &mut claimed, usage.collect());
    let lake = commits.lake.iter().map(|c| (c.path.as_str(), &c.entry, Some(released(&c.body))));
    sequence(audit, (book, erased), &mut claimed, lake.collect());
    let determinations = commits.determinations.iter();
    let determinations =
        determinations.map(|c| (c.path.as_str(), &c.entry, determined::said(c, commits)));
    sequence(audit, (book, erased), &mut claimed, determinations.collect());
    let erasures = commits.erasures.iter();
    let erasures =
        erasures.map(|c| (c.path.as_str(), &c.entry, Some(super::erased::said(&c.body))));
    sequence(audit, (book, erased), &mut claimed, erasures.collect());
    let Some(book) = book else { return };
    for entry in &book.entries {
        let free = matches!(entry.kind(), None | Some(Kind::LogGenesis | Kind::CredentialAttested));
        if !free {
            let index = book.places.get(&entry.id()).copied().unwrap_or_default();
            let good = claimed.contains(&entry.id());
            let fault = "no commit of the site stands behind it";
            audit.check(Check::Recorded, &format!("ledger/entry {index}"), good, fault);
        }
    }
}

/// Compares one sequence: each entry signed, in the book after the one before it, and as expected.
fn sequence(
    audit: &mut Audit,
    (book, erased): (Option<&Book>, &Erased),
    claimed: &mut BTreeSet<Sha256>,
    commits: Vec<(&str, &Option<Entry>, Option<Said>)>,
) {
    let mut last = None;
    for (path, entry, said) in commits {
        let Some(entry) = entry else { continue };
        if let Some(book) = book {
            let place = book.places.get(&entry.id()).copied();
            audit.check(Check::Recorded, path, place.is_some(), "its entry is not in the book");
            let fresh = claimed.insert(entry.id());
            audit.check(Check::Once, path, fresh, "another commit names the same entry");
            if let Some(place) = place {
                let after = last.is_none_or(|last| last < place);
                let fault = "its entry stands before that of the commit before it";
                audit.check(Check::Recorded, path, after, fault);
                last = Some(place);
            }
        }
        let fault = "its entry cannot be worked out from the commits";
        if !audit.check(Check::Agrees, path, said.is_some(), fault) {
            continue;
        }
        let Some(mut said) = said else { continue };
        erased.restore(&mut said.body);
        for (_, digest, _) in &mut said.subjects {
            *digest = erased.before(*digest);
        }
        // What a keyed digest of the book stands for is no longer there to be hashed.
        let unreadable = erased.covers(path);
        let kind = entry.kind() == Some(said.kind);
        audit.check(Check::Agrees, path, kind, "its entry is of another kind");
        let time = entry.time() == Some(said.time);
        audit.check(Check::Agrees, path, time, "its entry names another time");
        audit.check(Check::Agrees, path, entry.prev() == said.prev, "its entry follows others");
        let subjects = entry.subjects().iter().map(|s| (s.name.clone(), s.sha3, s.sha256));
        let same = subjects.eq(said.subjects);
        let fault = "its entry speaks of other objects";
        audit.check(Check::Agrees, path, same || unreadable, fault);
        let odd = differing(entry.body(), &said.body);
        if unreadable && !odd.is_empty() {
            audit.passed(Check::Erasures, count(&odd));
            continue;
        }
        let fault = format!("its entry says otherwise in `{}`", odd.join("`, `"));
        audit.check(Check::Agrees, path, odd.is_empty(), &fault);
    }
}

/// Names the members in which an entry's body is not as expected.
pub(super) fn differing(body: &Map<String, Value>, expected: &Value) -> Vec<String> {
    let empty = Map::new();
    let expected = expected.as_object().unwrap_or(&empty);
    let own = body.keys().filter(|name| !COMMON.contains(&name.as_str()));
    let names: BTreeSet<&String> = own.chain(expected.keys()).collect();
    names.into_iter().filter(|name| body.get(*name) != expected.get(*name)).cloned().collect()
}

/// Says how many people or decisions, as the book may say it.
pub(super) fn shown(count: u64) -> Value {
    if count < 10 { "<10".into() } else { count.into() }
}

fn consent(commit: &Numbered<ConsentCommit>) -> Option<Said> {
    let body = &commit.body;
    let mut said = Map::new();
    said.insert("count".to_owned(), shown(body.events.count));
    said.insert("root".to_owned(), body.root.to_string().into());
    said.insert("commit".to_owned(), body.number.into());
    let kind = if body.withdrawals > 0 {
        said.insert("effective".to_owned(), body.time.date().to_string().into());
        Kind::WithdrawalBatch
    } else {
        // The purposes stand in the events: `stood` compares them.
        let own = commit.entry.as_ref()?.body().get("purposes")?.clone();
        said.insert("purposes".to_owned(), own);
        Kind::ConsentBatch
    };
    let (prev, subjects) = (Vec::new(), Vec::new());
    Some(Said { kind, time: body.time, body: Value::Object(said), prev, subjects })
}

fn linked(commit: &LinkageCommit) -> Said {
    let LinkageCommit { number, time, act, members, root, .. } = commit;
    let count = shown(members.as_ref().map_or(0, |members| members.count));
    let (kind, mut body) = match act {
        LinkageAct::Run {
            pipeline,
            match_centibits,
            review_centibits,
            people_new,
            pairs_review,
        } => {
            let body = json!({
                "pipeline": {"name": pipeline.0, "digest": pipeline.1},
                "match_centibits": match_centibits,
                "review_centibits": review_centibits,
                "people_new": shown(*people_new),
                "pairs_review": shown(*pairs_review),
            });
            (Kind::LinkageRun, body)
        }
        LinkageAct::Merge { .. } => (Kind::LinkageChanged, json!({"change": "merge"})),
        LinkageAct::Split { .. } => (Kind::LinkageChanged, json!({"change": "split"})),
    };
    if let Some(members) = body.as_object_mut() {
        members.insert("commit".to_owned(), (*number).into());
        members.insert("count".to_owned(), count);
        members.insert("root".to_owned(), root.to_string().into());
    }
    Said { kind, time: *time, body, prev: Vec::new(), subjects: Vec::new() }
}

/// `heads` keeps, for each pool, the entries of its opening and of its newest settlement.
fn pool(
    evidence: &Evidence,
    commit: &Numbered<PoolCommit>,
    heads: &mut BTreeMap<String, (Sha256, Sha256)>,
) -> Option<Said> {
    let PoolCommit { time, act, entry, .. } = &commit.body;
    let own = leaf_hash(entry.as_bytes());
    let (kind, body, prev, subject) = match act {
        Act::Opened(opened) => {
            heads.insert(opened.pool.clone(), (own, own));
            let body = json!({
                "pool": opened.pool,
                "currency": opened.currency,
                "datasets": opened.datasets,
                "purposes": opened.purposes,
                "rules": {
                    "name": opened.rules.name,
                    "version": opened.rules.version,
                    "digest": canonical_digest(&opened.rules).ok()?,
                },
            });
            let subject = (format!("pool:{}", opened.pool), canonical_digest(opened).ok()?);
            (Kind::PoolOpened, body, Vec::new(), subject)
        }
        Act::Funded(funded) => {
            let (opened, _) = *heads.get(&funded.pool)?;
            let parts = [&funded.pool, &funded.sponsor, &funded.reference];
            let parts = parts.map(String::as_bytes);
            let sponsor = hmac_sha3_parts(&evidence.secrets.sponsor_token, &parts);
            let reference = hmac_sha3_parts(&evidence.secrets.payment_reference, &parts);
            let body = json!({
                "pool": funded.pool,
                "amount": funded.amount,
                "sponsor_token": hex(&sponsor),
                "reference_commitment": hex(&reference),
            });
            let subject = (format!("payment:{}", funded.pool), Sha3Digest(reference));
            (Kind::PoolFunded, body, vec![opened], subject)
        }
        Act::Overridden(decision) => {
            let (_, newest) = *heads.get(&decision.pool)?;
            return decided::overridden(evidence, &commit.body.txn, decision, *time, newest);
        }
        Act::Matched(act) => {
            let (opened, _) = *heads.get(&act.pool)?;
            // No pool's name holds a colon.
            let last = heads.insert(format!("match:{}", act.pool), (opened, own));
            let prev = vec![last.map_or(opened, |(_, last)| last)];
            let body = matched::body(evidence, act)?;
            let subject = (format!("match:{}@{}", act.pool, act.period), act.inputs.digest);
            (Kind::FundsMatched, body, prev, subject)
        }
        Act::Settled(act) => {
            let head = heads.get_mut(&act.pool)?;
            let prev = vec![head.1];
            head.1 = own;
            let body = settled::body(evidence, act)?;
            let subject = (format!("payout:{}@{}", act.pool, act.period), act.inputs.digest);
            (Kind::PayoutComputed, body, prev, subject)
        }
    };
    let subjects = vec![(subject.0, subject.1, None)];
    Some(Said { kind, time: *time, body, prev, subjects })
}

fn asked(evidence: &Evidence, record: &UsageRecord, lake: &[Numbered<Version>]) -> Option<Said> {
    let asked = |c: &&Numbered<Version>| {
        c.body.dataset == record.dataset && c.body.version == record.version
    };
    let entry = lake.iter().find(asked)?.body.entry.as_bytes();
    let parts = [record.researcher.as_str().as_bytes(), record.txn.as_bytes()];
    let token = hmac_sha3_parts(&evidence.secrets.researcher_token, &parts);
    let body = json!({
        "dataset": record.dataset,
        "version": record.version,
        "purpose": record.purpose,
        "researcher_token": hex(&token),
        "query": record.query,
        "answer": record.answer,
        "lines": record.lines,
        "rows_bucket": bucket(record.rows),
        "people_bucket": bucket(record.people),
    });
    let name = format!("{}@{}", record.dataset, record.version);
    Some(Said {
        kind: Kind::QueryExecuted,
        time: record.time,
        body,
        prev: vec![leaf_hash(entry)],
        subjects: vec![(name, Sha3Digest::of(entry), None)],
    })
}

/// To the nearest five, as a count may leave.
fn bucket(count: u64) -> u64 {
    count.saturating_add(2) / 5 * 5
}

fn released(version: &Version) -> Said {
    const NAMED_MAX: u64 = 64;
    let segments: u64 = version.tables.iter().map(|t| count(&t.segments)).sum();
    let named = segments <= NAMED_MAX;
    let tables: Vec<Value> = version
        .tables
        .iter()
        .map(|table| {
            let segments: Vec<Value> = table
                .segments
                .iter()
                .filter(|_| named)
                .map(|s| {
                    json!({"path": s.path, "rows": s.rows, "bytes": s.bytes,
                           "sha3": s.sha3, "sha256": s.sha256})
                })
                .collect();
            let mut said = json!({
                "table": table.table,
                "schema": table.schema,
                "rows": table.rows,
                "suppressed": table.suppressed,
                "segments": segments,
                "segment_count": count(&table.segments),
                "segment_list": list(table),
            });
            // Versions of before had no categories.
            if let (false, Some(members)) = (table.category.is_empty(), said.as_object_mut()) {
                members.insert("category".to_owned(), table.category.as_str().into());
            }
            said
        })
        .collect();
    let counts = &version.counts;
    let inputs: Vec<u8> = version.inputs.iter().flat_map(|digest| digest.0).collect();
    let mut body = json!({
        "dataset": version.dataset,
        "version": version.version,
        "purposes": version.purposes,
        "pool": version.pool,
        "pipeline": {"name": version.pipeline.0, "digest": version.pipeline.1},
        "run_key": version.run_key,
        "k": version.k,
        "tables": tables,
        "record": {"root": version.record.root, "count": version.record.count},
        "consent_commit": version.consent_commit,
        "counts": {"read": counts.read, "rejected": counts.rejected, "refused": counts.refused,
                   "admitted": counts.admitted, "suppressed": counts.suppressed,
                   "released": counts.released, "people": counts.people},
        "inputs": Sha256::of(&inputs),
        "roster": version.roster.digest,
        "report": version.report.digest,
    });
    if let Some(members) = body.as_object_mut() {
        if let Some(chosen) = generalised::said(version) {
            members.insert("deid".to_owned(), chosen);
        }
        if let Some(duo) = &version.duo {
            members.insert("duo".to_owned(), json!(duo.terms));
        }
        if let Some(commit) = version.linkage_commit {
            members.insert("linkage_commit".to_owned(), commit.into());
        }
        if let Some(records) = version.records() {
            members.insert("records".to_owned(), records.digest.to_string().into());
        }
        if let Some((_, deliveries)) = licensed::paper(version) {
            members.insert("deliveries".to_owned(), deliveries.to_string().into());
        }
        // A version whose pipeline names no rules has no findings.
        if let Some(quality) = &version.quality {
            members.insert("quality".to_owned(), quality.digest.to_string().into());
        }
    }
    let name = format!("{}@{}", version.dataset, version.version);
    let mut subjects = Vec::new();
    for table in &version.tables {
        if !named {
            subjects.push((format!("{name}/{}", table.table), list(table), None));
            continue;
        }
        for (at, segment) in table.segments.iter().enumerate() {
            let name = format!("{name}/{}/{at}", table.table);
            subjects.push((name, segment.sha3, Some(segment.sha256)));
        }
    }
    let (kind, time) = (Kind::DatasetVersion, version.time);
    Said { kind, time, body, prev: Vec::new(), subjects }
}

/// The digest of a table's list of segments.
fn list(table: &TableVersion) -> Sha3Digest {
    let digests: Vec<u8> = table.segments.iter().flat_map(|s| s.sha3.0).collect();
    Sha3Digest::of(&digests)
}
