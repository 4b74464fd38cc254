//! Whose rows an answer drew on, for which purpose: made by `query`, paid by `reward`.
//!
//! Comes in: one answered question. Goes out: a [`UsageRecord`], private, in the vault.
//! Never: an answer without one.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};
use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha3Digest,
    instant::Instant,
    party::{InstitutionId, ResearcherId},
    purpose::Purpose,
};

/// One line of a usage record: how many rows of one pseudonym an answer drew on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsageLine {
    /// The pseudonym in the dataset version asked, 32 hex digits.
    pub pseudonym: String,
    /// Rows that the answer drew on, all tables together; at least 1.
    pub rows: u64,
}

/// What one answered question used. Stored as `vault/usage/commits/<n>.json`, its lines as Parquet
/// (`pseudonym` Utf8, `rows` Int64, sorted by pseudonym) at `lines_path` in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// A random id of this commit.
    pub txn: String,
    /// When the answer was given.
    pub time: Instant,
    /// Who asked.
    pub researcher: ResearcherId,
    /// Where the researcher works.
    pub institution: Option<InstitutionId>,
    /// What for.
    pub purpose: Purpose,
    /// The dataset asked.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// The SHA3-256 digest of the query's normalised text.
    pub query: Sha3Digest,
    /// The SHA3-256 digest of the answer's canonical bytes.
    pub answer: Sha3Digest,
    /// The number of lines: the people whose rows were used.
    pub people: u64,
    /// The sum of the lines' rows.
    pub rows: u64,
    /// Where the lines are, in the vault.
    pub lines_path: String,
    /// The SHA3-256 digest of the lines' object.
    pub lines: Sha3Digest,
    /// The ledger entry of this answer, as its bytes stand in the log.
    pub entry: String,
}

/// Why lines could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("lines of usage could not be {0}")]
pub struct LinesError(&'static str);

/// Writes lines as one Parquet object; the same lines give the same bytes.
pub fn write_lines(lines: &[UsageLine]) -> Result<Bytes, LinesError> {
    let rows = lines
        .iter()
        .map(|line| i64::try_from(line.rows))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| LinesError("counted"))?;
    let names: StringArray = lines.iter().map(|line| Some(line.pseudonym.as_str())).collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("pseudonym", DataType::Utf8, false),
        Field::new("rows", DataType::Int64, false),
    ]));
    let write = || {
        let columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(Int64Array::from(rows))];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("almoner".to_owned())
            .build();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties))?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(Bytes::from(file))
    };
    write().map_err(|_: ParquetError| LinesError("written"))
}

/// Reads lines back.
pub fn read_lines(object: Bytes) -> Result<Vec<UsageLine>, LinesError> {
    let fault = || LinesError("read");
    let reader = ParquetRecordBatchReaderBuilder::try_new(object)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|_| fault())?;
    let mut lines = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|_| fault())?;
        let column = |name| batch.column_by_name(name).ok_or_else(fault);
        let names = column("pseudonym")?.as_string_opt::<i32>().ok_or_else(fault)?;
        let rows = column("rows")?.as_primitive_opt::<Int64Type>().ok_or_else(fault)?;
        for (name, rows) in names.iter().zip(rows) {
            let rows = rows.and_then(|rows| u64::try_from(rows).ok()).ok_or_else(fault)?;
            lines.push(UsageLine { pseudonym: name.ok_or_else(fault)?.to_owned(), rows });
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_and_have_one_form() {
        let line = |n: u64| UsageLine { pseudonym: format!("{n:032x}"), rows: n };
        let lines: Vec<UsageLine> = (1..100).map(line).collect();
        let object = write_lines(&lines).unwrap();
        assert_eq!(object, write_lines(&lines).unwrap(), "a retried answer would not be found");
        assert_eq!(read_lines(object).unwrap(), lines);
        assert!(read_lines(Bytes::from_static(b"PAR1")).is_err());
        assert!(read_lines(write_lines(&[]).unwrap()).unwrap().is_empty());
    }
}
