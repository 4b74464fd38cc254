//! Where a person pays taxes and is paid: countries and accounts of no bank, for the files of payees.

use std::io::Write;

use super::{
    Error, Person, Population,
    dice::Dice,
    person::{institution, people, record_number},
    records::put,
};

/// What the file of payees says of one person, beside their id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Paid {
    /// The key of the verified person.
    person: String,
    /// Whether somebody has checked who they are: nineteen in twenty.
    verified: bool,
    /// Where they pay taxes.
    country: &'static str,
    /// The account's holder.
    name: String,
    /// The account; one person in forty has named none yet.
    iban: Option<String>,
}

/// Returns what the file of payees says of a person.
fn paid(population: &Population, person: &Person) -> Paid {
    let mut dice = Dice::new(population.seed(), "account", person.index);
    let verified = dice.below(20) != 0;
    let (country, bank, digits) = dice.pick(&COUNTRIES);
    let account = format!("{bank}{}", numbered(&mut dice, digits));
    let iban = (dice.below(40) != 0).then(|| iban(country, &account));
    let name = format!("{} {}", person.first, person.last);
    let person = if verified { person.member_no.clone() } else { String::new() };
    Paid { person, verified, country, name, iban }
}

/// Writes the file of payees: each person by the record of their usual institution, then institutions.
pub(super) fn write_payees(population: &Population, out: &mut dyn Write) -> Result<u64, Error> {
    let mut lines = Vec::new();
    let header =
        ["contributor", "institution", "person", "verified", "country", "name", "iban", "bic"];
    put(&mut lines, &header.map(str::to_owned));
    for person in people(population) {
        let usual = person.institutions.first().copied().unwrap_or_default();
        let number = record_number(population, usual, person.index);
        let Paid { person, verified, country, name, iban } = paid(population, &person);
        let (name, iban) = iban.map_or_else(Default::default, |iban| (name, iban));
        let id = format!("{}/{number}", institution(usual));
        let (verified, country) = (verified.to_string(), country.to_owned());
        put(&mut lines, &[id, String::new(), person, verified, country, name, iban, String::new()]);
        if lines.len() > 1 << 20 {
            out.write_all(&lines)?;
            lines.clear();
        }
    }
    for at in 0..population.institutions() {
        let name = institution(at).into_owned();
        let iban = institution_iban(population, at);
        let (verified, country) = ("false".to_owned(), "DE".to_owned());
        let cells = [String::new(), name.clone(), String::new(), verified, country, name, iban];
        put(&mut lines, &cells.into_iter().chain([String::new()]).collect::<Vec<_>>());
    }
    out.write_all(&lines)?;
    Ok(population.people().saturating_add(u64::from(population.institutions())))
}

/// Returns the account of an institution.
fn institution_iban(population: &Population, institution: u32) -> String {
    let mut dice = Dice::new(population.seed(), "institution-account", u64::from(institution));
    let (country, bank, digits) = COUNTRIES.first().copied().unwrap_or(("DE", "00000000", 10));
    iban(country, &format!("{bank}{}", numbered(&mut dice, digits)))
}

/// Countries, a bank code that no bank of theirs has, and the digits of an account beside it.
const COUNTRIES: [(&str, &str, u32); 3] =
    [("DE", "00000000", 10), ("AT", "00000", 11), ("BE", "000", 9)];

fn numbered(dice: &mut Dice, digits: u32) -> String {
    (0..digits).map(|_| char::from(b'0' + u8::try_from(dice.below(10)).unwrap_or(0))).collect()
}

/// Puts the check digits (ISO 7064, MOD 97-10) before an account.
fn iban(country: &str, account: &str) -> String {
    let text = format!("{account}{country}00");
    let remainder = text.bytes().fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        letter => (sum * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
    });
    format!("{country}{:02}{account}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payee::Iban;

    #[test]
    fn every_account_has_right_check_digits_and_is_of_no_bank() {
        let population = Population::new(7, 200, 3).unwrap();
        let paid: Vec<Paid> = people(&population).map(|p| paid(&population, &p)).collect();
        let accounts: Vec<&String> = paid.iter().filter_map(|p| p.iban.as_ref()).collect();
        assert!(accounts.len() > 150 && accounts.len() < 200, "some have named no account");
        for account in accounts {
            assert!(Iban::parse(account).is_ok(), "the bank would refuse the whole order");
        }
        assert!(Iban::parse(&institution_iban(&population, 2)).is_ok());
        assert!(paid.iter().any(|p| !p.verified), "an unverified payee is never seen in the demo");
    }
}
