//! What an entry of the book tells, by name.
//!
//! Comes in: a name as it stands in an entry. Goes out: a [`Kind`]. Never: a guess at an unknown one.

use std::fmt;

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `log-genesis`
    LogGenesis,
    /// `consent-batch`
    ConsentBatch,
    /// `withdrawal-batch`
    WithdrawalBatch,
    /// `dataset-version`
    DatasetVersion,
    /// `query-executed`
    QueryExecuted,
    /// `pool-opened`
    PoolOpened,
    /// `pool-funded`
    PoolFunded,
    /// `payout-computed`
    PayoutComputed,
    /// `credential-attested`
    CredentialAttested,
    /// `linkage-run`
    LinkageRun,
    /// `linkage-changed`
    LinkageChanged,
    /// `payees-registered`
    PayeesRegistered,
    /// `party-related`
    PartyRelated,
    /// `settlement-overridden`
    SettlementOverridden,
    /// `value-computed`
    ValueComputed,
    /// `funds-matched`
    FundsMatched,
    /// `payout-exported`
    PayoutExported,
    /// `payout-settled`
    PayoutSettled,
    /// `goods-received`
    GoodsReceived,
    /// `goods-given`
    GoodsGiven,
    /// `voucher-redeemed`
    VoucherRedeemed,
    /// `vouchers-lapsed`
    VouchersLapsed,
    /// `licences-recorded`
    LicencesRecorded,
    /// `approvers-registered`
    ApproversRegistered,
    /// `transfers-offered`
    TransfersOffered,
    /// `transfers-challenged`
    TransfersChallenged,
    /// `transfers-approved`
    TransfersApproved,
    /// `transfers-sent`
    TransfersSent,
    /// `transfers-received`
    TransfersReceived,
    /// `transfers-ended`
    TransfersEnded,
    /// `cover-opened`
    CoverOpened,
    /// `cover-funded`
    CoverFunded,
    /// `cover-enrolled`
    CoverEnrolled,
    /// `cover-evaluated`
    CoverEvaluated,
    /// `determination-signed`
    DeterminationSigned,
    /// `key-rotated`
    KeyRotated,
    /// `key-revoked`
    KeyRevoked,
    /// `source-registered`
    SourceRegistered,
    /// `erasure-executed`
    ErasureExecuted,
    /// `checkpoint-anchored`
    CheckpointAnchored,
    /// `policy-set`
    PolicySet,
}

impl Kind {
    /// All kinds that this version knows.
    pub const ALL: [Self; 41] = [
        Self::LogGenesis,
        Self::ConsentBatch,
        Self::WithdrawalBatch,
        Self::DatasetVersion,
        Self::QueryExecuted,
        Self::PoolOpened,
        Self::PoolFunded,
        Self::PayoutComputed,
        Self::CredentialAttested,
        Self::LinkageRun,
        Self::LinkageChanged,
        Self::PayeesRegistered,
        Self::PartyRelated,
        Self::SettlementOverridden,
        Self::ValueComputed,
        Self::FundsMatched,
        Self::PayoutExported,
        Self::PayoutSettled,
        Self::GoodsReceived,
        Self::GoodsGiven,
        Self::VoucherRedeemed,
        Self::VouchersLapsed,
        Self::LicencesRecorded,
        Self::ApproversRegistered,
        Self::TransfersOffered,
        Self::TransfersChallenged,
        Self::TransfersApproved,
        Self::TransfersSent,
        Self::TransfersReceived,
        Self::TransfersEnded,
        Self::CoverOpened,
        Self::CoverFunded,
        Self::CoverEnrolled,
        Self::CoverEvaluated,
        Self::DeterminationSigned,
        Self::KeyRotated,
        Self::KeyRevoked,
        Self::SourceRegistered,
        Self::ErasureExecuted,
        Self::CheckpointAnchored,
        Self::PolicySet,
    ];

    /// Returns the name that stands in an entry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogGenesis => "log-genesis",
            Self::ConsentBatch => "consent-batch",
            Self::WithdrawalBatch => "withdrawal-batch",
            Self::DatasetVersion => "dataset-version",
            Self::QueryExecuted => "query-executed",
            Self::PoolOpened => "pool-opened",
            Self::PoolFunded => "pool-funded",
            Self::PayoutComputed => "payout-computed",
            Self::CredentialAttested => "credential-attested",
            Self::LinkageRun => "linkage-run",
            Self::LinkageChanged => "linkage-changed",
            Self::PayeesRegistered => "payees-registered",
            Self::PartyRelated => "party-related",
            Self::SettlementOverridden => "settlement-overridden",
            Self::ValueComputed => "value-computed",
            Self::FundsMatched => "funds-matched",
            Self::PayoutExported => "payout-exported",
            Self::PayoutSettled => "payout-settled",
            Self::GoodsReceived => "goods-received",
            Self::GoodsGiven => "goods-given",
            Self::VoucherRedeemed => "voucher-redeemed",
            Self::VouchersLapsed => "vouchers-lapsed",
            Self::LicencesRecorded => "licences-recorded",
            Self::ApproversRegistered => "approvers-registered",
            Self::TransfersOffered => "transfers-offered",
            Self::TransfersChallenged => "transfers-challenged",
            Self::TransfersApproved => "transfers-approved",
            Self::TransfersSent => "transfers-sent",
            Self::TransfersReceived => "transfers-received",
            Self::TransfersEnded => "transfers-ended",
            Self::CoverOpened => "cover-opened",
            Self::CoverFunded => "cover-funded",
            Self::CoverEnrolled => "cover-enrolled",
            Self::CoverEvaluated => "cover-evaluated",
            Self::DeterminationSigned => "determination-signed",
            Self::KeyRotated => "key-rotated",
            Self::KeyRevoked => "key-revoked",
            Self::SourceRegistered => "source-registered",
            Self::ErasureExecuted => "erasure-executed",
            Self::CheckpointAnchored => "checkpoint-anchored",
            Self::PolicySet => "policy-set",
        }
    }

    /// Returns the kind of a name, where this version knows it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
