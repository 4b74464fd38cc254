//! What a pool gave, as open grants data: the JSON of the 360Giving Data Standard 1.4,
//! <https://standard.threesixtygiving.org>.
//!
//! Comes in: sums by period and institution. Goes out: one JSON text. Never: a row that is one person's:
//! people are one grant a period, and none where they are fewer than eleven.

use serde_json::{Map, Number, Value, json};

use crate::{instant::Instant, money::Amount};

/// Who publishes, and so gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funder {
    /// The publisher's prefix that 360Giving gave out, such as `360G-example`.
    pub prefix: String,
    /// The organisation's id, such as `GB-CHC-1234567`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// To whom a grant goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// All people of the period together.
    People,
    /// An institution.
    Institution(String),
}

/// One grant: what a period's settlement gave to an institution, or to all people together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The pool.
    pub pool: String,
    /// The period.
    pub period: String,
    /// Its first day and its last.
    pub days: (String, String),
    /// When it was settled.
    pub awarded_at: Instant,
    /// To whom.
    pub recipient: Recipient,
    /// How much.
    pub awarded: Amount,
    /// How much of it the bank has paid and did not return.
    pub disbursed: Amount,
}

/// An amount has more digits than a JSON number holds exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount has more digits than a number of JSON holds")]
pub struct DigitsError;

/// Writes grants as a 360Giving package; there is none of no grants.
pub fn giving(funder: &Funder, grants: &[Grant], now: Instant) -> Result<Value, DigitsError> {
    let grants = grants.iter().map(|grant| one(funder, grant, now));
    let grants = grants.collect::<Result<Vec<Value>, _>>()?;
    Ok(json!({
        "version": "1.4",
        "publisher": {"name": funder.name, "identifier": funder.id},
        "issued": now.date().to_string(),
        "grants": grants,
    }))
}

fn one(funder: &Funder, grant: &Grant, now: Instant) -> Result<Value, DigitsError> {
    let Grant { pool, period, days: (from, to), awarded_at, recipient, awarded, disbursed } = grant;
    let (key, whom) = match recipient {
        Recipient::People => ("people".to_owned(), "people whose records contributed".to_owned()),
        Recipient::Institution(name) => (format!("institution-{name}"), name.clone()),
    };
    let id = format!("{}-{pool}-{period}-{key}", funder.prefix);
    let organization = |id: &str, name: &str| json!([{"id": id, "name": name}]);
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("id", id.as_str().into());
    put("title", format!("Rewards of pool {pool}, {period}").into());
    put(
        "description",
        format!(
            "What {whom} earned of pool {pool} in {period}, for records contributed, new and used; \
             paid out after tax."
        )
        .into(),
    );
    put("currency", awarded.currency().code().into());
    put("amountAwarded", number(*awarded)?);
    put("amountDisbursed", number(*disbursed)?);
    put("awardDate", awarded_at.date().to_string().into());
    put("plannedDates", json!([{"startDate": from, "endDate": to}]));
    put("fundingOrganization", organization(&funder.id, &funder.name));
    put("grantProgramme", json!([{"code": pool, "title": pool}]));
    put("dateModified", now.to_string().into());
    match recipient {
        Recipient::Institution(name) => {
            let own = format!("{}-org-{name}", funder.prefix);
            put("recipientOrganization", organization(&own, name));
        }
        Recipient::People => {
            let name = "People whose records contributed (all of the period together)";
            put("recipientIndividual", json!({"id": format!("{id}-recipients"), "name": name}));
            // Unrestricted, and for a cause that is not their own need: codes of the standard's lists.
            let details = json!({"primaryGrantReason": "GTIR120", "grantPurpose": ["GTIP010"]});
            put("toIndividualsDetails", details);
        }
    }
    Ok(Value::Object(members))
}

/// Writes an amount as the number that its decimals say, or not at all.
fn number(amount: Amount) -> Result<Value, DigitsError> {
    let text = amount.decimal();
    let number = text.parse::<f64>().ok().filter(|number| {
        // The shortest text of the number must be the amount's own, or somebody would read another.
        let trimmed = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        number.to_string() == trimmed
    });
    number.and_then(Number::from_f64).map(Value::Number).ok_or(DigitsError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    fn eur(text: &str) -> Amount {
        Amount::parse(text, Currency::parse("EUR").unwrap()).unwrap()
    }

    #[test]
    fn people_are_one_grant_and_each_institution_another() {
        let funder = Funder {
            prefix: "360G-test".into(),
            id: "GB-CHC-1".into(),
            name: "Test Commons".into(),
        };
        let grant = |recipient, awarded| Grant {
            pool: "p".into(),
            period: "2026-Q4".into(),
            days: ("2026-10-01".into(), "2026-12-31".into()),
            awarded_at: Instant::parse("2027-01-02").unwrap(),
            recipient,
            awarded: eur(awarded),
            disbursed: eur("0.00"),
        };
        let grants = [
            grant(Recipient::People, "56525.02"),
            grant(Recipient::Institution("north-shore".into()), "20.10"),
        ];
        let now = Instant::parse("2027-02-01").unwrap();
        let package = giving(&funder, &grants, now).unwrap();
        let [people, north] = package["grants"].as_array().unwrap().as_slice() else {
            panic!("another number of grants")
        };
        assert_eq!(people["amountAwarded"].to_string(), "56525.02");
        assert_eq!(people["id"], "360G-test-p-2026-Q4-people");
        assert_eq!(north["amountAwarded"].to_string(), "20.1");
        assert_eq!(north["recipientOrganization"][0]["name"], "north-shore");
        for grant in [people, north] {
            let both = ["recipientOrganization", "recipientIndividual"];
            let named = both.iter().filter(|name| grant.get(name).is_some()).count();
            assert_eq!(named, 1, "a grant has one kind of recipient");
            for name in ["title", "description", "currency", "awardDate", "fundingOrganization"] {
                assert!(grant.get(name).is_some(), "{name} is required");
            }
        }
    }

    #[test]
    fn an_amount_that_json_would_round_is_refused() {
        assert_eq!(number(eur("45035996273704.93")).unwrap().to_string(), "45035996273704.93");
        assert_eq!(number(eur("9007199254740993.01")), Err(DigitsError));
        assert_eq!(number(eur("100.00")).unwrap().to_string(), "100.0");
    }
}
