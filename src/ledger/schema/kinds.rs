//! All kinds of entry and what each holds, version 1.
//!
//! Comes in: a [`Kind`]. Goes out: its [`Schema`]. Never: a member that names or singles out a
//! person; who is few is told as `<10`, and what is secret as a keyed commitment.

use super::{
    Form::{
        self, Count, Day, Each, Either, Flag, Free, Hash, Instant, Money, Number, Object, OneOf,
        OrNull, Text, Vkey,
    },
    Member, Schema,
};
use crate::ledger::kind::Kind;

const fn has(name: &'static str, form: Form) -> Member {
    Member { name, form, required: true }
}

const fn may(name: &'static str, form: Form) -> Member {
    Member { name, form, required: false }
}

const ROLE: Form = OneOf(&["log", "steward", "recovery"]);

/// A file by name and digest.
const FILE: Form = Object(&[has("name", Text), has("digest", Hash)]);

/// The rules of a pool; pools of before rule sets had names spelt them out.
const RULES: Form = Either(&RULE_SET, &RULES_SPELT);

const RULE_SET: Form = Object(&[has("name", Text), has("version", Number), has("digest", Hash)]);

const RULES_SPELT: Form = Object(&[
    has("method", Text),
    has("currency", Text),
    has("rounding", Text),
    has("minimum", Money),
    has("base_ppm", Number),
    has("usage_ppm", Number),
    has("institution_ppm", Number),
    has("fee_bps", Number),
    has("units_per_query", Number),
    has("accrual_per_minor", Number),
]);

const TABLE: Form = Object(&[
    has("table", Text),
    has("schema", Hash),
    has("category", Text),
    has("rows", Number),
    has("suppressed", Number),
    has("segments", Each(&SEGMENT)),
    has("segment_count", Number),
    has("segment_list", Hash),
]);

const SEGMENT: Form = Object(&[
    has("path", Text),
    has("rows", Number),
    has("bytes", Number),
    has("sha3", Hash),
    has("sha256", Hash),
]);

/// What each table's rows came to on their way into a version.
const COUNTS: Form = Object(&[
    has("read", Number),
    has("rejected", Number),
    has("refused", Number),
    has("admitted", Number),
    has("suppressed", Number),
    has("released", Number),
    has("people", Number),
]);

/// The tree of a version's records.
const RECORDS: Form = Object(&[has("root", Hash), has("count", Number)]);

/// What institutions have of a payout, together.
const SHARED: Form = Object(&[has("total", Money), has("carried", Money), has("commitment", Hash)]);

/// What a pool has of a match.
const SHARE: Form = Object(&[has("pool", Text), has("amount", Money)]);

/// A rate of exchange, whose it is and of which day.
const RATE: Form =
    Object(&[has("num", Number), has("den", Number), has("source", Text), has("date", Day)]);

/// A policy's first day, and the day after its last.
const TERM: Form = Object(&[has("from", Day), has("until", Day)]);

/// A step of transfers with one partner.
const TRANSFER: &[Member] = &[has("partner", Text), has("count", Count), has("root", Hash)];

/// Vouchers that ended, together.
const VOUCHERS: &[Member] = &[
    has("pool", Text),
    has("item", Text),
    has("units", Number),
    has("value", Money),
    has("commitment", Hash),
];

/// Where a log stood.
const HEAD: Form = Object(&[has("origin", Text), has("size", Number), has("root", Hash)]);

/// Returns what an entry of a kind holds.
pub(super) fn schema(kind: Kind) -> Schema {
    let (subjects, members) = parts(kind);
    // By the key that goes and the key that comes, or by the recovery key and who follows.
    let changes_keys = matches!(kind, Kind::KeyRotated | Kind::KeyRevoked);
    let signatures = if changes_keys { 2..=2 } else { 1..=1 };
    // An entry of 65,535 bytes has no room for more subjects than this.
    let subjects = match subjects {
        Subjects::None => 0..=0,
        Subjects::One => 1..=1,
        Subjects::Any => 0..=usize::from(u16::MAX),
    };
    Schema { members, subjects, signatures }
}

/// How many subjects an entry speaks of.
enum Subjects {
    None,
    One,
    Any,
}

fn parts(kind: Kind) -> (Subjects, &'static [Member]) {
    use Subjects::{Any, None, One};
    match kind {
        Kind::LogGenesis => (
            None,
            const {
                &[
                    has("format", Number),
                    has("log_vkey", Vkey),
                    has("steward_vkey", Vkey),
                    has("tree_hash", OneOf(&["sha256"])),
                    has("content_digest", OneOf(&["sha3-256"])),
                    has("tile_height", Number),
                    // The digest of the file that says which witnesses must have signed.
                    may("policy", Hash),
                    // The last good checkpoint of the log that this one continues.
                    may("continues", HEAD),
                ]
            },
        ),
        Kind::ConsentBatch => (
            None,
            const {
                &[
                    has("count", Count),
                    has("root", Hash),
                    has("commit", Number),
                    has("purposes", Each(&Text)),
                ]
            },
        ),
        Kind::WithdrawalBatch => (
            None,
            const {
                &[
                    has("count", Count),
                    has("root", Hash),
                    has("commit", Number),
                    has("effective", Day),
                ]
            },
        ),
        Kind::DatasetVersion => (
            Any,
            const {
                &[
                    has("dataset", Text),
                    has("version", Number),
                    has("purposes", Each(&Text)),
                    has("pool", OrNull(&Text)),
                    has("pipeline", FILE),
                    has("run_key", Hash),
                    has("k", Number),
                    has("tables", Each(&TABLE)),
                    has("record", RECORDS),
                    has("consent_commit", Number),
                    has("counts", COUNTS),
                    has("inputs", Hash),
                    has("roster", Hash),
                    has("report", Hash),
                    may("linkage_commit", Number),
                    may("deid", Free),
                    may("duo", Each(&Free)),
                    may("records", Hash),
                    may("deliveries", Hash),
                    may("quality", Hash),
                ]
            },
        ),
        Kind::QueryExecuted => (
            One,
            const {
                &[
                    has("dataset", Text),
                    has("version", Number),
                    has("purpose", Text),
                    has("researcher_token", Hash),
                    has("query", Hash),
                    has("answer", Hash),
                    has("lines", Hash),
                    has("rows_bucket", Number),
                    has("people_bucket", Number),
                ]
            },
        ),
        Kind::PoolOpened => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("currency", Text),
                    has("datasets", Each(&Text)),
                    may("purposes", Each(&Text)),
                    may("rules", RULES),
                    may("terms", Free),
                ]
            },
        ),
        Kind::PoolFunded => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("amount", Money),
                    has("sponsor_token", Hash),
                    has("reference_commitment", Hash),
                ]
            },
        ),
        Kind::PayoutComputed => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("period", Text),
                    has("inputs", Each(&Hash)),
                    has("inputs_count", Number),
                    has("inputs_root", Hash),
                    may("method", Text),
                    has("rules", RULES),
                    has("root", Hash),
                    has("count", Count),
                    has("total", Money),
                    has("fee", Money),
                    has("carried", Money),
                    has("unallocated", Money),
                    has("currency", Text),
                    has("input_digest", Hash),
                    may("institutions", SHARED),
                ]
            },
        ),
        Kind::CredentialAttested => (
            Any,
            const {
                &[
                    has("issuer", Text),
                    has("credential_type", Text),
                    has("commitment", Hash),
                    may("expires", Day),
                    may("status", Text),
                ]
            },
        ),
        Kind::LinkageRun => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("count", Count),
                    has("root", Hash),
                    has("pipeline", FILE),
                    has("match_centibits", Number),
                    has("review_centibits", Number),
                    has("people_new", Count),
                    has("pairs_review", Count),
                ]
            },
        ),
        Kind::LinkageChanged => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("count", Count),
                    has("root", Hash),
                    has("change", OneOf(&["merge", "split"])),
                ]
            },
        ),
        Kind::PayeesRegistered => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("contributors", Count),
                    has("institutions", Count),
                    has("commitment", Hash),
                ]
            },
        ),
        Kind::PartyRelated => (
            None,
            const {
                &[
                    has("payer", Text),
                    has("institution", Text),
                    has("reason", Text),
                    has("approver", Text),
                ]
            },
        ),
        Kind::SettlementOverridden => (
            One,
            const {
                &[
                    has("pool", Text),
                    has(
                        "change",
                        OneOf(&["exclude-query", "exclude-contributor", "price", "correct"]),
                    ),
                    has("reason", Text),
                    has("approver", Text),
                    has("commitment", Hash),
                ]
            },
        ),
        Kind::ValueComputed => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("method", Text),
                    has("k", Number),
                    has("scale", Number),
                    has("table", Hash),
                    has("contributors", Count),
                ]
            },
        ),
        Kind::FundsMatched => (
            One,
            const {
                &[
                    has("fund", Text),
                    has("period", Text),
                    has("total", Money),
                    has("shares", Each(&SHARE)),
                    has("cap_ppm", OrNull(&Number)),
                    has("input_digest", Hash),
                ]
            },
        ),
        Kind::PayoutExported => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("period", Text),
                    has("message", Text),
                    has("count", Count),
                    has("currency", Text),
                    has("commitment", Hash),
                    may("total", Money),
                    may("control", Money),
                    may("rate", RATE),
                ]
            },
        ),
        Kind::PayoutSettled => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("booked", Count),
                    has("returned", Count),
                    has("commitment", Hash),
                    may("booked_sum", Money),
                    may("returned_sum", Money),
                ]
            },
        ),
        Kind::GoodsReceived => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("item", Text),
                    has("units", Number),
                    has("unit_price", Money),
                    has("value", Money),
                    has("sponsor_token", Hash),
                    has("reference_commitment", Hash),
                ]
            },
        ),
        Kind::GoodsGiven => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("period", Text),
                    has("item", Text),
                    has("units", Number),
                    has("value", Money),
                    has("expires", OrNull(&Day)),
                    has("root", Hash),
                    has("count", Count),
                    has("input_digest", Hash),
                ]
            },
        ),
        Kind::VoucherRedeemed => (One, VOUCHERS),
        Kind::VouchersLapsed => (
            One,
            const {
                &[
                    has("pool", Text),
                    has("item", Text),
                    has("units", Number),
                    has("value", Money),
                    has("commitment", Hash),
                    has("how", OneOf(&["expired", "returned"])),
                ]
            },
        ),
        Kind::LicencesRecorded => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("what", OneOf(&["issuer", "decisions"])),
                    may("issuer", Text),
                    may("vkey", Vkey),
                    may("change", Text),
                    may("from", Instant),
                    may("holders", OneOf(&["institutions", "practitioners"])),
                    may("count", Count),
                    may("root", Hash),
                    may("commitment", Hash),
                ]
            },
        ),
        Kind::ApproversRegistered => {
            (None, const { &[has("count", Count), has("commitment", Hash)] })
        }
        Kind::TransfersOffered
        | Kind::TransfersChallenged
        | Kind::TransfersApproved
        | Kind::TransfersSent
        | Kind::TransfersReceived
        | Kind::TransfersEnded => (None, TRANSFER),
        Kind::CoverOpened => (
            One,
            const {
                &[
                    has("policy", Text),
                    has("cover", OneOf(&["insurance", "incentive"])),
                    has("currency", Text),
                    has("term", TERM),
                    has("sum", Money),
                    has("purpose", Text),
                ]
            },
        ),
        Kind::CoverFunded => (
            One,
            const {
                &[
                    has("policy", Text),
                    has("amount", Money),
                    has("sponsor_token", Hash),
                    has("reference_commitment", Hash),
                ]
            },
        ),
        Kind::CoverEnrolled => {
            (None, const { &[has("policy", Text), has("count", Count), has("commitment", Hash)] })
        }
        Kind::CoverEvaluated => (
            One,
            const {
                &[
                    has("policy", Text),
                    has("count", Count),
                    has("paid", Count),
                    has("root", Hash),
                    may("total", Money),
                    has("inputs", Hash),
                    has("commitment", Hash),
                ]
            },
        ),
        Kind::DeterminationSigned => (
            One,
            const {
                &[
                    has("commit", Number),
                    has("dataset", Text),
                    has("version", Number),
                    has("version_entry", Hash),
                    has("record_root", Hash),
                    has("report", Hash),
                    has("determination", Hash),
                    has("vkey", Vkey),
                ]
            },
        ),
        Kind::KeyRotated => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("role", ROLE),
                    // None where there was no recovery key before.
                    has("old_vkey", OrNull(&Vkey)),
                    has("new_vkey", Vkey),
                    has("reason", Text),
                ]
            },
        ),
        Kind::KeyRevoked => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("role", OneOf(&["log", "steward"])),
                    has("old_vkey", Vkey),
                    // The key that follows: a steward's. A log whose key is revoked ends.
                    has("new_vkey", OrNull(&Vkey)),
                    has("reason", Text),
                    // How far the log may be believed: of a log's key alone.
                    has("last_good", OrNull(&HEAD)),
                ]
            },
        ),
        Kind::SourceRegistered => (
            None,
            const {
                &[
                    has("source_token", Hash),
                    has("source_kind", Text),
                    has("profile", Hash),
                    has("custodian", Text),
                ]
            },
        ),
        Kind::ErasureExecuted => (
            None,
            const {
                &[
                    has("commit", Number),
                    has("stores", Each(&Text)),
                    has("clause", Text),
                    has("count", Count),
                    has("redactions", Hash),
                    may("versions", OneOf(&["destroy", "keep"])),
                ]
            },
        ),
        Kind::PolicySet => (
            One,
            const {
                &[
                    has("commit", Number),
                    has("policy", Hash),
                    has("witnesses", Number),
                    has("witnessed", Flag),
                ]
            },
        ),
        Kind::CheckpointAnchored => (
            None,
            const { &[has("size", Number), has("root", Hash), has("anchor", Text), has("proof", Hash)] },
        ),
    }
}
