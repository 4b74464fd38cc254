//! Keyed tokens of a record: all that linkage compares. Equal normal forms give equal tokens under
//! the site's secret, and nobody without it can tell what a token stands for.
//!
//! Comes in: rows of demographics, a secret. Goes out: [`Table`]s of tokens, in memory and as they
//! lie in the vault. Never: a value, or a token in debug output.

use std::{collections::BTreeMap, fmt};

use arrow::{
    array::{Array as _, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
};

use super::{Error, normalise};
use crate::{digest::hmac_sha256, party::InstitutionId};

/// Which columns of a table of demographics say what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Given names.
    pub given: Option<String>,
    /// Family names.
    pub family: Option<String>,
    /// The day of birth.
    pub birth_date: Option<String>,
    /// Sex or gender.
    pub sex: Option<String>,
    /// House number and street.
    pub address: Option<String>,
    /// The town.
    pub city: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Identifiers that institutions share, such as a social security or member number. The
    /// column's name is the identifier's kind: only equal kinds are compared.
    pub identifiers: Vec<String>,
    /// Identity documents: passport, driver's licence, state id, digital identifier.
    pub documents: Vec<String>,
}

/// One kind of token of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Token {
    Given,
    GivenRoot,
    GivenSound,
    GivenInitial,
    Family,
    FamilyFirst,
    FamilyLast,
    FamilySound,
    Birth,
    BirthSwapped,
    BirthYearMonth,
    BirthYearDay,
    BirthMonthDay,
    BirthYear,
    Sex,
    House,
    Street,
    Postal,
    City,
    Phone,
    Email,
}

/// How many kinds of tokens there are.
pub(super) const TOKENS: usize = Token::Email as usize + 1;

/// Pairs of letters that are kept of a name; of a longer one, those with the least tokens.
pub(super) const PAIRS: usize = 12;

/// The tokens of one identifier: all of it, its three thirds, and its signs in order.
pub(super) type IdTokens = [u64; 5];

/// What is compared of one record; 0 stands for nothing.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) fixed: [u64; TOKENS],
    pub(super) given: [u32; PAIRS],
    pub(super) family: [u32; PAIRS],
    pub(super) ids: Box<[IdTokens]>,
}

impl Tokens {
    pub(super) fn get(&self, token: Token) -> u64 {
        self.fixed.get(token as usize).copied().unwrap_or(0)
    }
}

/// One institution's record of a person.
pub(super) struct Record {
    pub(super) institution: InstitutionId,
    pub(super) local: Box<str>,
    pub(super) tokens: Tokens,
}

impl Record {
    pub(super) fn name(&self) -> (&InstitutionId, &str) {
        (&self.institution, &self.local)
    }
}

/// A kind of identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdKind {
    pub(super) name: String,
    pub(super) is_document: bool,
}

/// Records, sorted by institution and local id, each once.
#[derive(Default)]
pub struct Table {
    pub(super) kinds: Vec<IdKind>,
    pub(super) records: Vec<Record>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

impl Table {
    /// Makes the tokens of an institution's rows. Rows without a local id are left out.
    pub fn of(
        batch: &RecordBatch,
        id: &str,
        fields: &Fields,
        institution: &InstitutionId,
        secret: &[u8; 32],
    ) -> Result<Self, Error> {
        let mut kinds: Vec<IdKind> = fields
            .identifiers
            .iter()
            .map(|name| (name, false))
            .chain(fields.documents.iter().map(|name| (name, true)))
            .map(|(name, is_document)| IdKind { name: name.to_lowercase(), is_document })
            .collect();
        kinds.sort();
        let column = |name: &Option<String>| {
            name.as_ref().map_or(Ok(None), |name| text(batch, name).map(Some))
        };
        let locals = text(batch, id)?;
        let cells = Cells {
            given: column(&fields.given)?,
            family: column(&fields.family)?,
            birth_date: column(&fields.birth_date)?,
            sex: column(&fields.sex)?,
            address: column(&fields.address)?,
            city: column(&fields.city)?,
            postal_code: column(&fields.postal_code)?,
            phone: column(&fields.phone)?,
            email: column(&fields.email)?,
        };
        let mut ids = BTreeMap::new();
        for name in fields.identifiers.iter().chain(&fields.documents) {
            ids.insert(name.to_lowercase(), text(batch, name)?);
        }
        let ids: Vec<(&IdKind, &StringArray)> =
            kinds.iter().filter_map(|kind| Some((kind, ids.get(&kind.name)?))).collect();
        let mut maker = Maker { secret, pairs: BTreeMap::new() };
        let rows = (0..batch.num_rows()).filter(|row| locals.is_valid(*row));
        let records = rows.map(|row| Record {
            institution: institution.clone(),
            local: locals.value(row).into(),
            tokens: maker.tokens(&cells, &ids, row),
        });
        let mut table = Self { records: records.collect(), kinds: Vec::new() };
        table.kinds = kinds;
        Ok(table)
    }

    /// Returns how many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Says whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Says whether a record of this table and one of another have the same tokens, whichever kinds
    /// of identifiers the tables have.
    pub(super) fn same_tokens(&self, own: &Record, other: &Self, theirs: &Record) -> bool {
        let id = |table: &Self, record: &Record, kind: &IdKind| {
            let at = table.kinds.binary_search(kind).ok()?;
            record.tokens.ids.get(at).copied().filter(|id| *id != IdTokens::default())
        };
        let kinds = self.kinds.iter().chain(&other.kinds);
        let (a, b) = (&own.tokens, &theirs.tokens);
        (a.fixed, a.given, a.family) == (b.fixed, b.given, b.family)
            && kinds.clone().all(|kind| id(self, own, kind) == id(other, theirs, kind))
    }

    /// Puts tables together. Of two records of one name, the one of the later table stays.
    pub fn join(tables: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        let tables: Vec<Self> = tables.into_iter().collect();
        whole.kinds = tables.iter().flat_map(|table| table.kinds.clone()).collect();
        whole.kinds.sort();
        whole.kinds.dedup();
        // Later tables first: sorting keeps the order of equals, and the first of them stays.
        for table in tables.into_iter().rev() {
            let places: Vec<Option<usize>> =
                whole.kinds.iter().map(|kind| table.kinds.binary_search(kind).ok()).collect();
            let same = table.kinds == whole.kinds;
            whole.records.extend(table.records.into_iter().map(|mut record| {
                if !same {
                    let own = &record.tokens.ids;
                    let at = |place: &Option<usize>| place.and_then(|at| own.get(at).copied());
                    record.tokens.ids =
                        places.iter().map(|place| at(place).unwrap_or_default()).collect();
                }
                record
            }));
        }
        whole.records.sort_by(|a, b| a.name().cmp(&b.name()));
        whole.records.dedup_by(|later, first| later.name() == first.name());
        whole
    }
}

/// A column as text: dates as `YYYY-MM-DD`, numbers as digits.
fn text(batch: &RecordBatch, name: &str) -> Result<StringArray, Error> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::format("input", format!("there is no column `{name}`")))?;
    let text = cast(column, &DataType::Utf8).map_err(Error::read)?;
    Ok(StringArray::from(text.to_data()))
}

struct Cells {
    given: Option<StringArray>,
    family: Option<StringArray>,
    birth_date: Option<StringArray>,
    sex: Option<StringArray>,
    address: Option<StringArray>,
    city: Option<StringArray>,
    postal_code: Option<StringArray>,
    phone: Option<StringArray>,
    email: Option<StringArray>,
}

fn cell(column: Option<&StringArray>, row: usize) -> Option<&str> {
    let column = column.filter(|column| column.is_valid(row))?;
    Some(column.value(row))
}

struct Maker<'a> {
    secret: &'a [u8; 32],
    pairs: BTreeMap<(&'static str, [char; 2]), u32>,
}

impl Maker<'_> {
    /// The token of a text of a kind: the first 8 bytes of its keyed hash, never 0.
    fn token(&self, kind: &str, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let parts = [b"almoner/linkage-token/v1".as_slice(), kind.as_bytes(), text.as_bytes()];
        let hash = hmac_sha256(self.secret, &parts);
        let first = hash.first_chunk::<8>().copied().unwrap_or_default();
        u64::from_be_bytes(first).max(1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a token is enough for a letter")]
    fn pairs(&mut self, kind: &'static str, name: &str) -> [u32; PAIRS] {
        let mut all: Vec<u32> = Vec::with_capacity(PAIRS);
        for pair in normalise::pairs(name) {
            let known = self.pairs.get(&(kind, pair)).copied();
            let token = known.unwrap_or_else(|| {
                let token = (self.token(kind, &String::from_iter(pair)) as u32).max(1);
                self.pairs.insert((kind, pair), token);
                token
            });
            all.push(token);
        }
        all.sort_unstable();
        let mut kept = [0; PAIRS];
        kept.iter_mut().zip(all).for_each(|(slot, token)| *slot = token);
        kept
    }

    fn tokens(&mut self, cells: &Cells, ids: &[(&IdKind, &StringArray)], row: usize) -> Tokens {
        let mut tokens = Tokens {
            fixed: [0; TOKENS],
            given: [0; PAIRS],
            family: [0; PAIRS],
            ids: ids.iter().map(|(kind, cells)| self.id(kind, cell(Some(cells), row))).collect(),
        };
        let mut fixed = [0; TOKENS];
        let mut set = |token: Token, value: u64| {
            if let Some(slot) = fixed.get_mut(token as usize) {
                *slot = value;
            }
        };
        if let Some(name) = cell(cells.given.as_ref(), row).and_then(normalise::given) {
            set(Token::Given, self.token("given", &name.whole));
            set(Token::GivenRoot, self.token("given-root", &name.root));
            set(Token::GivenSound, self.token("given-sound", &normalise::sound(&name.root)));
            set(Token::GivenInitial, self.token("given-initial", &name.initial));
            tokens.given = self.pairs("given-pair", &name.whole);
        }
        let family = cell(cells.family.as_ref(), row).and_then(normalise::family);
        if let Some((whole, [first, last])) = family {
            set(Token::Family, self.token("family", &whole));
            set(Token::FamilyFirst, self.token("family-part", &first));
            set(Token::FamilyLast, self.token("family-part", &last));
            set(Token::FamilySound, self.token("family-sound", &normalise::sound(&whole)));
            tokens.family = self.pairs("family-pair", &whole);
        }
        if let Some((year, month, day)) =
            cell(cells.birth_date.as_ref(), row).and_then(normalise::date)
        {
            set(Token::Birth, self.token("birth", &format!("{year}-{month}-{day}")));
            set(Token::BirthSwapped, self.token("birth", &format!("{year}-{day}-{month}")));
            set(Token::BirthYearMonth, self.token("birth-year-month", &format!("{year}-{month}")));
            set(Token::BirthYearDay, self.token("birth-year-day", &format!("{year}-{day}")));
            set(Token::BirthMonthDay, self.token("birth-month-day", &format!("{month}-{day}")));
            set(Token::BirthYear, self.token("birth-year", &year));
        }
        if let Some(sex) = cell(cells.sex.as_ref(), row).and_then(normalise::sex) {
            set(Token::Sex, self.token("sex", sex));
        }
        if let Some((house, street)) = cell(cells.address.as_ref(), row).and_then(normalise::street)
        {
            set(Token::House, self.token("house", &house));
            set(Token::Street, self.token("street", &street));
        }
        let mut plain = |token: Token, kind: &str, text: Option<String>| {
            set(token, text.map_or(0, |text| self.token(kind, &text)));
        };
        let of = |column: &Option<StringArray>, form: fn(&str) -> Option<String>| {
            cell(column.as_ref(), row).and_then(form)
        };
        plain(Token::Postal, "postal", of(&cells.postal_code, normalise::postal));
        plain(Token::City, "city", of(&cells.city, normalise::city));
        plain(Token::Phone, "phone", of(&cells.phone, normalise::phone));
        plain(Token::Email, "email", of(&cells.email, normalise::email));
        tokens.fixed = fixed;
        tokens
    }

    fn id(&self, kind: &IdKind, text: Option<&str>) -> IdTokens {
        let Some(code) = text.and_then(normalise::identifier) else { return IdTokens::default() };
        let signs: Vec<char> = code.chars().collect();
        let third = signs.len().div_ceil(3);
        let mut thirds = signs.chunks(third).map(String::from_iter);
        let mut ordered = signs.clone();
        ordered.sort_unstable();
        let token = |part: &str, text: &str| self.token(&format!("id/{}/{part}", kind.name), text);
        let mut part = |at: &str| token(at, &thirds.next().unwrap_or_default());
        let parts = [part("1"), part("2"), part("3")];
        let [first, second, last] = parts;
        [token("all", &code), first, second, last, token("signs", &String::from_iter(ordered))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::sample;

    #[test]
    fn tokens_depend_on_the_secret_and_hide_the_value() {
        let row = ["1", "Ann", "Lee", "1970-01-02", "F", "1 Elm St", "02139", "", "", "123456789"];
        let of = |secret| sample::table("north", &[row], &[secret; 32]);
        let (one, two) = (of(1), of(2));
        for (a, b) in one.records[0].tokens.fixed.iter().zip(two.records[0].tokens.fixed) {
            assert!(*a == 0 || *a != b, "a token would be the same at every site");
        }
        assert_eq!(format!("{one:?}"), "Table { records: 1, .. }");
        assert_eq!(one.records[0].tokens.get(Token::Phone), 0, "an empty cell got a token");
    }

    #[test]
    fn of_two_records_of_one_name_the_later_stays() {
        let row = |name| [["1", name, "Lee", "", "", "", "", "", "", ""]];
        let first = sample::table("north", &row("Ann"), &[1; 32]);
        let later = sample::table("north", &row("Bea"), &[1; 32]);
        let wanted = later.records[0].tokens.clone();
        let joined = Table::join([first, later]);
        assert_eq!(joined.len(), 1);
        assert!(joined.records[0].tokens == wanted, "a changed record would not be seen");
    }
}
