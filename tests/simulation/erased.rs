//! Looks for the person who was erased in all that a site stores.

use almoner::{
    pipeline::erase,
    site::Site,
    store::{Error, Store},
};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::life::told;

/// Who is erased: a word that stands nowhere by chance.
pub(crate) const PERSON: &str = "zenobia-7391";

/// Says where the person still stands, once the site has erased them, and what the erasure has left of its
/// own doings.
pub(crate) fn is_gone(site: &Site) -> Result<(), String> {
    let vault = site.vault();
    if vault.list(erase::COMMITS).map_err(told)?.is_empty() {
        return Ok(());
    }
    let zones = [
        ("", site.store(), false),
        ("vault/", &vault, true),
        ("lake/", &site.lake(), true),
        ("public/", &site.public(), true),
    ];
    for (name, zone, is_open) in zones {
        if let Some(path) = holding(zone, is_open)? {
            return Err(format!("the erased person still stands in `{name}{path}`"));
        }
    }
    let listed = vault.list("erasures").map_err(told)?;
    let left = listed.iter().find(|o| o.path.contains("/staged/") || o.path.contains("pending"));
    match left {
        Some(left) => Err(format!("the erasure left `vault/{}`", left.path)),
        None => Ok(()),
    }
}

/// Returns an object that holds the person, as it is or, in a zone that is not sealed, in a table's cell.
fn holding(zone: &Store, is_open: bool) -> Result<Option<String>, String> {
    for object in zone.list("").map_err(told)? {
        // The keys themselves are wrapped, and lie beside what is sealed.
        if is_open && object.path.starts_with("keyring/") {
            continue;
        }
        let bytes = match zone.get(&object.path) {
            Ok(bytes) => bytes,
            Err(Error::Destroyed { .. }) => continue,
            Err(error) => return Err(told(error)),
        };
        let is_table = is_open && object.path.ends_with(".parquet");
        let held = |bytes: &[u8]| bytes.windows(PERSON.len()).any(|w| w == PERSON.as_bytes());
        if held(&bytes) || (is_table && held(cells(&bytes)?.as_bytes())) {
            return Ok(Some(object.path));
        }
    }
    Ok(None)
}

/// All cells of a table, as text.
fn cells(bytes: &Bytes) -> Result<String, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(told)?;
    let mut text = String::new();
    for batch in reader.build().map_err(told)? {
        let batch = batch.map_err(told)?;
        for cells in batch.columns() {
            for row in 0..batch.num_rows() {
                text.push_str(&array_value_to_string(cells, row).map_err(told)?);
                text.push('\n');
            }
        }
    }
    Ok(text)
}
