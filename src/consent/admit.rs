//! The station: rows of people who consented go on, the others are counted by reason.
//!
//! One hash look-up for each run of rows of one person, and no allocation a row.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, BooleanBufferBuilder, RecordBatch},
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Int64Type},
};

use super::{
    AdmittedBatch,
    admission::Admission,
    linked::Own,
    people::People,
    standing::{Decision, Refusal},
};
use crate::{
    party::{ContributorId, InstitutionId},
    schema::{ConformedBatch, TableSchema},
};

/// What admission made of a batch.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The rows that go on.
    pub batch: AdmittedBatch,
    /// How many rows do not, by reason.
    pub refusals: BTreeMap<Refusal, u64>,
}

/// Lets those rows go on whose person consented. A person's id is `namespace:cell`, or the cell
/// where the namespace is empty; where the admission is linked, the cell is the institution's own
/// id and the person index says whose. A row without a person, of a stranger, or of an institution
/// or category that the admission was not made for is refused.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a station takes its batch: what it refuses cannot be used again"
)]
pub fn admit(
    admission: &Admission,
    institution: &InstitutionId,
    namespace: &str,
    batch: ConformedBatch,
) -> Admitted {
    sift(admission, institution, namespace, batch.schema(), batch.rows())
}

/// Tells whose each row is, whether they consented or not; `None` for a stranger's.
pub fn whose(
    admission: &Admission,
    institution: &InstitutionId,
    namespace: &str,
    batch: &ConformedBatch,
) -> Vec<Option<u32>> {
    let rows = batch.rows().num_rows();
    let (roll, namespace) = roll(admission, institution, namespace);
    let everyone = vec![Decision::Permit; admission.people().len()];
    let mut sieve = Sieve::new(roll, &everyone, namespace, rows);
    match batch.schema().person().and_then(|at| batch.rows().columns().get(at)) {
        Some(column) => sieve.column(column),
        None => sieve.refuse(Refusal::NoConsent, rows),
    }
    let mut people = sieve.people.into_iter();
    let keep = sieve.keep.finish();
    keep.iter().map(|known| if known { people.next() } else { None }).collect()
}

/// Whose ids the cells of a person column are.
fn roll<'a>(
    admission: &'a Admission,
    institution: &InstitutionId,
    namespace: &'a str,
) -> (Roll<'a>, &'a str) {
    match admission.linked() {
        Some(linked) => (Roll::Linked(linked.of(institution)), ""),
        None => (Roll::Register(admission.known()), namespace),
    }
}

fn sift(
    admission: &Admission,
    institution: &InstitutionId,
    namespace: &str,
    schema: &Arc<TableSchema>,
    rows: &RecordBatch,
) -> Admitted {
    let person = schema.person().and_then(|at| rows.columns().get(at));
    let decisions = admission.decisions(institution, &schema.category);
    let (roll, namespace) = roll(admission, institution, namespace);
    let mut sieve = Sieve::new(roll, decisions.unwrap_or_default(), namespace, rows.num_rows());
    match person {
        Some(column) => sieve.column(column),
        None => sieve.refuse(Refusal::NoConsent, rows.num_rows()),
    }
    let Sieve { mut keep, people, refused, .. } = sieve;
    let mask = BooleanArray::from(keep.finish());
    let kept = if people.len() == rows.num_rows() {
        Some(rows.clone())
    } else {
        // Filtering by a mask of the same length cannot fail; if it did, nothing would go on.
        filter_record_batch(rows, &mask).ok()
    };
    let (rows, people) = match kept {
        Some(kept) => (kept, people),
        None => (rows.slice(0, 0), Vec::new()),
    };
    let refusals = Refusal::ALL.into_iter().zip(refused).filter(|(_, count)| *count > 0).collect();
    Admitted { batch: AdmittedBatch { schema: Arc::clone(schema), rows, people }, refusals }
}

/// How many runs are looked up together: their hashes and slots stay in the nearest cache.
const RUNS: usize = 512;

/// Rows of one person that stand one after the other.
struct Run<T> {
    cell: Option<T>,
    rows: usize,
    hash: u64,
    candidate: u64,
}

/// Who is looked up: the register's ids, or an institution's own.
#[derive(Clone, Copy)]
enum Roll<'a> {
    Register(&'a People),
    Linked(Option<Own<'a>>),
}

impl Roll<'_> {
    #[inline]
    fn hash(&self, id: &str) -> u64 {
        match self {
            Self::Register(people) => people.lookup().hash(id),
            Self::Linked(own) => own.map_or(0, |own| own.lookup().hash(id)),
        }
    }

    #[inline]
    fn candidate(&self, hash: u64) -> u64 {
        match self {
            Self::Register(people) => people.lookup().candidate(hash),
            Self::Linked(own) => own.map_or(0, |own| own.lookup().candidate(hash)),
        }
    }

    /// Returns the index of the person whose id it is.
    #[inline]
    fn search(&self, hash: u64, candidate: u64, id: &str) -> Result<u32, Refusal> {
        match self {
            Self::Register(people) => {
                let own = |at: usize| people.ids().get(at).map(ContributorId::as_str);
                people.lookup().search(hash, candidate, id, own).ok_or(Refusal::NoConsent)
            }
            Self::Linked(None) => Err(Refusal::NotLinked),
            Self::Linked(Some(own)) => own.search(hash, candidate, id),
        }
    }
}

struct Sieve<'a> {
    roll: Roll<'a>,
    decisions: &'a [Decision],
    id: String,
    prefix: usize,
    keep: BooleanBufferBuilder,
    people: Vec<u32>,
    refused: [u64; Refusal::ALL.len()],
}

impl<'a> Sieve<'a> {
    fn new(roll: Roll<'a>, decisions: &'a [Decision], namespace: &str, rows: usize) -> Self {
        let mut id = String::with_capacity(namespace.len() + 64);
        if !namespace.is_empty() {
            id.push_str(namespace);
            id.push(':');
        }
        Self {
            roll,
            decisions,
            prefix: id.len(),
            id,
            keep: BooleanBufferBuilder::new(rows),
            people: Vec::with_capacity(rows),
            refused: [0; Refusal::ALL.len()],
        }
    }

    fn column(&mut self, column: &ArrayRef) {
        if let Some(cells) = column.as_string_opt::<i32>() {
            self.cells(cells.iter(), String::push_str);
        } else if let Some(cells) = column.as_primitive_opt::<Int64Type>() {
            self.cells(cells.iter(), |id, cell| {
                // Writing to a string cannot fail.
                let _ = write!(id, "{cell}");
            });
        } else {
            match cast(column, &DataType::Utf8) {
                Ok(text) => self.column(&text),
                Err(_) => self.refuse(Refusal::NoConsent, column.len()),
            }
        }
    }

    /// Takes rows in runs of one person, a few hundred runs at a time.
    fn cells<T: PartialEq + Copy>(
        &mut self,
        cells: impl Iterator<Item = Option<T>>,
        write: impl Fn(&mut String, T),
    ) {
        let mut runs: Vec<Run<T>> = Vec::with_capacity(RUNS);
        for cell in cells {
            match runs.last_mut() {
                Some(run) if run.cell == cell => run.rows += 1,
                Some(_) | None => {
                    if runs.len() == RUNS {
                        self.runs(&mut runs, &write);
                    }
                    runs.push(Run { cell, rows: 1, hash: 0, candidate: 0 });
                }
            }
        }
        self.runs(&mut runs, &write);
    }

    /// Looks runs up in three sweeps, so that misses of the cache overlap.
    fn runs<T: Copy>(&mut self, runs: &mut Vec<Run<T>>, write: impl Fn(&mut String, T)) {
        let roll = self.roll;
        for run in runs.iter_mut() {
            if let Some(cell) = run.cell {
                self.id.truncate(self.prefix);
                write(&mut self.id, cell);
                run.hash = roll.hash(&self.id);
            }
        }
        for run in runs.iter_mut() {
            run.candidate = roll.candidate(run.hash);
        }
        for run in runs.drain(..) {
            let found = match run.cell {
                Some(cell) => {
                    self.id.truncate(self.prefix);
                    write(&mut self.id, cell);
                    roll.search(run.hash, run.candidate, &self.id)
                }
                None => Err(Refusal::NoConsent),
            };
            self.person(found, run.rows);
        }
    }

    fn person(&mut self, found: Result<u32, Refusal>, rows: usize) {
        let index = match found {
            Ok(index) => index,
            Err(refusal) => return self.refuse(refusal, rows),
        };
        let decided = usize::try_from(index).ok().and_then(|at| self.decisions.get(at));
        match decided {
            Some(Decision::Permit) => {
                self.keep.append_n(rows, true);
                self.people.extend(std::iter::repeat_n(index, rows));
            }
            Some(Decision::Refuse(refusal)) => self.refuse(*refusal, rows),
            None => self.refuse(Refusal::NoConsent, rows),
        }
    }

    fn refuse(&mut self, refusal: Refusal, rows: usize) {
        self.keep.append_n(rows, false);
        if let Some(count) = self.refused.get_mut(refusal as usize) {
            *count += rows as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;
    use crate::{
        consent::{
            Scope,
            sample::{date, event, instant, institution, register},
        },
        purpose::Purpose,
        schema::Role,
    };

    fn schema() -> Arc<TableSchema> {
        let text = "table = \"visits\"\n\
             [[column]]\nname = \"row\"\ntype = \"int\"\nrole = \"measure\"\n\
             [[column]]\nname = \"id\"\ntype = \"string\"\nrole = \"person\"\n";
        let read = TableSchema::read(std::path::Path::new("visits.toml"), text);
        Arc::new(read.unwrap_or_else(|faults| panic!("{} faults", faults.len())))
    }

    fn rows(people: ArrayRef) -> RecordBatch {
        let count = i64::try_from(people.len()).unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        RecordBatch::try_from_iter_with_nullable([("row", numbers, false), ("id", people, true)])
            .unwrap()
    }

    fn admission(namespace: &str) -> Admission {
        let lines = [
            "1 grant DUO:0000006 * * - - 2025-01-01",
            "2 grant DUO:0000006 * * - - 2025-01-01",
            "2 withdraw * * * - - 2025-02-01",
            "30 grant DUO:0000006 south * - - 2025-01-01",
            "4 grant DUO:0000042 * * - - 2025-01-01",
        ];
        let events = lines.iter().map(|line| event(&format!("{namespace}{line}"))).collect();
        register(&[("2025-03-01", events)]).admission(&Scope {
            purposes: vec![Purpose::parse("DUO:0000006").unwrap()],
            cells: vec![(institution("north"), "visits".to_owned())],
            on: date("2025-06-01"),
            known_at: instant("2025-06-01"),
        })
    }

    fn kept(admitted: &Admitted) -> Vec<i64> {
        let batch = &admitted.batch;
        assert_eq!(batch.rows().num_rows(), batch.people().len(), "a row without its person");
        batch.rows().column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_of_people_who_consented_go_on_and_the_others_are_counted_by_reason() {
        let cells = vec![
            Some("1"),
            Some("1"),
            Some("2"),
            None,
            Some("30"),
            Some("5"),
            Some("4"),
            Some("1"),
        ];
        let batch = rows(Arc::new(StringArray::from(cells)));
        let admission = admission("");
        let schema = schema();
        let admitted = sift(&admission, &institution("north"), "", &schema, &batch);
        assert_eq!(kept(&admitted), [0, 1, 6, 7]);
        let people: Vec<_> = admitted.batch.people().iter().map(|i| *i as usize).collect();
        let names: Vec<_> = people.iter().map(|i| admission.people()[*i].as_str()).collect();
        assert_eq!(names, ["1", "1", "4", "1"], "a row would be paid to somebody else");
        let expected = [
            (Refusal::NoConsent, 2),
            (Refusal::InstitutionNotConsented, 1),
            (Refusal::Withdrawn, 1),
        ];
        assert_eq!(admitted.refusals, BTreeMap::from(expected));
    }

    #[test]
    fn numbers_and_namespaces_name_people_too() {
        let batch =
            rows(Arc::new(Int64Array::from(vec![Some(1), Some(4), Some(4), None, Some(9)])));
        let schema = schema();
        let north = institution("north");
        let plain = sift(&admission(""), &north, "", &schema, &batch);
        assert_eq!(kept(&plain), [0, 1, 2]);
        let spaced = sift(&admission("omop:"), &north, "omop", &schema, &batch);
        assert_eq!(kept(&spaced), [0, 1, 2]);
        let mixed = sift(&admission("omop:"), &north, "", &schema, &batch);
        assert!(kept(&mixed).is_empty(), "people of two namespaces were taken for one");
        let text = rows(Arc::new(StringArray::from(vec!["1", "2", "1"])));
        let spaced = sift(&admission("omop:"), &north, "omop", &schema, &text);
        assert_eq!(kept(&spaced), [0, 2]);
    }

    #[test]
    fn a_cell_that_nobody_asked_for_is_refused_whole() {
        let batch = rows(Arc::new(StringArray::from(vec!["1", "4"])));
        let schema = schema();
        let admitted = sift(&admission(""), &institution("south"), "", &schema, &batch);
        assert!(kept(&admitted).is_empty());
        assert_eq!(admitted.refusals, BTreeMap::from([(Refusal::NoConsent, 2)]));
    }

    #[test]
    fn a_table_without_a_person_is_refused_whole() {
        let mut schema = TableSchema::clone(&schema());
        schema.columns[1].role = Role::Measure;
        let batch = rows(Arc::new(StringArray::from(vec!["1", "4"])));
        let north = institution("north");
        let admitted = sift(&admission(""), &north, "", &Arc::new(schema), &batch);
        assert!(kept(&admitted).is_empty());
    }

    #[test]
    fn the_digest_of_an_admission_follows_decisions_and_not_the_day() {
        let lines = ["a grant DUO:0000006 * * 2025-01-01 2025-09-01 2025-01-01"];
        let register = register(&[("2025-03-01", lines.iter().map(|l| event(l)).collect())]);
        let digest = |on: &str, cell: &str| {
            let scope = Scope {
                purposes: vec![Purpose::parse("DUO:0000006").unwrap()],
                cells: vec![(institution(cell), "visits".to_owned())],
                on: date(on),
                known_at: instant("2026-01-01"),
            };
            register.admission(&scope).digest()
        };
        assert_eq!(digest("2025-06-01", "north"), digest("2025-06-02", "north"));
        assert_ne!(digest("2025-06-01", "north"), digest("2025-09-01", "north"));
        assert_ne!(digest("2025-06-01", "north"), digest("2025-06-01", "south"));
    }
}
