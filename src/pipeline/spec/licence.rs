//! `[licence]` of a pipeline: whether an institution's files are taken only with a delivery note by a
//! licence that stood.

use crate::fault::{Members, Sheet};

/// Reads `[licence]`; a pipeline without one takes files as they lie there.
pub(super) fn required(sheet: &Sheet<'_>, top: &Members<'_, '_>) -> bool {
    let Some(members) = top.table("licence") else { return false };
    let required = members.flag("required");
    if required.is_none() && !members.has("required") {
        let hint = "required = true takes a file only by a delivery note of a standing licence";
        sheet.fault_hint(members.span(), "this `[licence]` lacks `required`", hint);
    }
    members.finish();
    required.unwrap_or(false)
}
