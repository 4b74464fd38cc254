//! JSON of one Consent to a [`Document`], R4 or R5.
//!
//! Comes in: a JSON value. Goes out: a document, or the reason why it is put aside.
//! Never: a value in a reason; a part that this engine does not know passed over in silence.

use serde_json::{Map, Value};

use super::{
    code::Coding,
    document::{
        Actor, Criteria, DataReference, Document, Meaning, Role, Rule, RuleType, Scope, Status,
    },
    period::{self, Period},
};

/// Why a Consent is put aside.
pub(super) type Reason = &'static str;

type Object = Map<String, Value>;

const R4: [&str; 24] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "identifier",
    "status",
    "scope",
    "category",
    "patient",
    "dateTime",
    "performer",
    "organization",
    "sourceAttachment",
    "sourceReference",
    "policy",
    "policyRule",
    "verification",
    "provision",
    "source",
];

const R5: [&str; 27] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "identifier",
    "status",
    "category",
    "subject",
    "date",
    "period",
    "grantor",
    "grantee",
    "manager",
    "controller",
    "sourceAttachment",
    "sourceReference",
    "regulatoryBasis",
    "policyBasis",
    "policyText",
    "verification",
    "decision",
    "provision",
];

const PROVISION: [&str; 17] = [
    "id",
    "extension",
    "modifierExtension",
    "type",
    "period",
    "actor",
    "action",
    "securityLabel",
    "purpose",
    "class",
    "code",
    "dataPeriod",
    "data",
    "provision",
    "documentType",
    "resourceType",
    "expression",
];

impl Document {
    /// Reads one Consent.
    ///
    /// # Errors
    /// Says why it is put aside: a part that is missing or malformed, or two that contradict.
    pub fn parse(value: &Value) -> Result<Self, Reason> {
        let object = value.as_object().ok_or("it is no object")?;
        if object.get("resourceType").and_then(Value::as_str) != Some("Consent") {
            return Err("it is no Consent");
        }
        let newer = ["decision", "subject", "date", "grantor", "controller"]
            .iter()
            .any(|name| object.contains_key(*name))
            || object.get("provision").is_some_and(Value::is_array);
        let older = ["patient", "dateTime", "policyRule", "scope"]
            .iter()
            .any(|name| object.contains_key(*name))
            || object.get("provision").is_some_and(Value::is_object);
        match (older, newer) {
            (true, true) => Err("it mixes the shapes of R4 and R5"),
            (_, false) => r4(object),
            (false, true) => r5(object),
        }
    }
}

fn r4(object: &Object) -> Result<Document, Reason> {
    let mut unread = unread(object, &R4);
    let mut exceptions = Vec::new();
    let empty = Object::new();
    let root = match object.get("provision") {
        None => &empty,
        Some(value) => value.as_object().ok_or("`provision` is no object")?,
    };
    let criteria = criteria(root, &mut unread)?;
    for nested in objects(root, "provision")? {
        let kind = rule_type(nested)?.ok_or("a nested provision has no type")?;
        exceptions.push(exception(nested, kind, &mut unread)?);
    }
    let typed = rule_type(root)?;
    let policy = match object.get("policyRule") {
        None => None,
        Some(value) => {
            let own = concept(value).ok_or("`policyRule` holds no coding")?;
            let found = own.iter().find_map(|coding| match coding.code.as_str() {
                "OPTIN" | "OPTINR" => Some(RuleType::Permit),
                "OPTOUT" | "OPTOUTE" => Some(RuleType::Deny),
                _ => None,
            });
            if found.is_none() {
                unread.push("policyRule");
            }
            found
        }
    };
    let (kind, is_open) = match (typed, policy) {
        (Some(typed), Some(policy)) if typed != policy => {
            return Err("`policyRule` and `provision.type` contradict each other");
        }
        (Some(typed), _) => (typed, false),
        (None, Some(policy)) => (policy, criteria != Criteria::default()),
        (None, None) => return Err("it says neither permit nor deny"),
    };
    let scope = match object.get("scope").map(concept) {
        None | Some(None) => return Err("`scope` is missing or holds no coding"),
        Some(Some(own)) => scope(&own),
    };
    Ok(Document {
        patient: reference(object.get("patient")).ok_or("`patient` is missing")?,
        status: status(object)?,
        decided_at: decided(object, "dateTime")?,
        scope,
        base: Rule { kind, criteria },
        is_open,
        exceptions,
        unread,
    })
}

fn r5(object: &Object) -> Result<Document, Reason> {
    let mut unread = unread(object, &R5);
    let kind = match object.get("decision").map(Value::as_str) {
        Some(Some("permit")) => RuleType::Permit,
        Some(Some("deny")) => RuleType::Deny,
        Some(_) => return Err("`decision` is neither permit nor deny"),
        None => return Err("it says neither permit nor deny"),
    };
    let mut exceptions = Vec::new();
    for nested in objects(object, "provision")? {
        if nested.contains_key("type") {
            return Err("a provision of R5 has no type");
        }
        exceptions.push(exception(nested, kind.other(), &mut unread)?);
    }
    let period = match object.get("period") {
        None => None,
        Some(value) => Some(Period::parse(value).ok_or("`period` cannot be read")?),
    };
    Ok(Document {
        patient: reference(object.get("subject")).ok_or("`subject` is missing")?,
        status: status(object)?,
        decided_at: decided(object, "date")?,
        scope: Scope::Data,
        base: Rule { kind, criteria: Criteria { period, ..Criteria::default() } },
        is_open: false,
        exceptions,
        unread,
    })
}

/// Names the parts at the top that are unknown or that nobody may pass over.
fn unread(object: &Object, known: &[&str]) -> Vec<&'static str> {
    let mut unread = Vec::new();
    for name in ["implicitRules", "modifierExtension"] {
        if object.contains_key(name) {
            unread.push(name);
        }
    }
    let odd = |name: &&String| !name.starts_with('_') && !known.contains(&name.as_str());
    if object.keys().any(|name| odd(&name)) {
        unread.push("an unknown member");
    }
    let verified = |v: &Value| v.get("verified").and_then(Value::as_bool) != Some(true);
    let verification = object.get("verification");
    if verification.and_then(Value::as_array).is_some_and(|all| all.iter().any(verified)) {
        unread.push("verification");
    }
    unread
}

fn exception(
    object: &Object,
    kind: RuleType,
    unread: &mut Vec<&'static str>,
) -> Result<Rule, Reason> {
    if object.contains_key("provision") {
        unread.push("a provision nested deeper than two levels");
    }
    Ok(Rule { kind, criteria: criteria(object, unread)? })
}

fn criteria(object: &Object, unread: &mut Vec<&'static str>) -> Result<Criteria, Reason> {
    let mut criteria = Criteria::default();
    let odd = |name: &&String| !name.starts_with('_') && !PROVISION.contains(&name.as_str());
    let heavy = ["modifierExtension", "documentType", "expression"];
    if object.keys().any(|name| odd(&name) || heavy.contains(&name.as_str())) {
        criteria.unread = true;
        unread.push("a member of a provision");
    }
    let period = |name: &str| match object.get(name) {
        None => Ok(None),
        Some(value) => Period::parse(value).map(Some).ok_or("a period cannot be read"),
    };
    criteria.period = period("period")?;
    criteria.data_period = period("dataPeriod")?;
    for actor in objects(object, "actor")? {
        let role = actor.get("role").and_then(concept).map_or(Role::Unknown, |own| role(&own));
        criteria.actors.push(Actor { role, reference: reference(actor.get("reference")) });
    }
    criteria.actions = concepts(object, "action")?;
    criteria.codes = concepts(object, "code")?;
    criteria.purposes = codings(object, "purpose")?;
    criteria.labels = codings(object, "securityLabel")?;
    criteria.classes = codings(object, "class")?;
    criteria.classes.extend(codings(object, "resourceType")?);
    for data in objects(object, "data")? {
        let meaning = match data.get("meaning").and_then(Value::as_str) {
            Some("instance") => Meaning::Instance,
            Some("related") => Meaning::Related,
            Some("dependents") => Meaning::Dependents,
            Some("authoredby") => Meaning::AuthoredBy,
            Some(_) | None => return Err("`data.meaning` is missing or unknown"),
        };
        let reference =
            reference(data.get("reference")).ok_or("`data.reference` names no resource")?;
        criteria.data.push(DataReference { meaning, reference });
    }
    Ok(criteria)
}

fn rule_type(object: &Object) -> Result<Option<RuleType>, Reason> {
    match object.get("type").map(Value::as_str) {
        None => Ok(None),
        Some(Some("permit")) => Ok(Some(RuleType::Permit)),
        Some(Some("deny")) => Ok(Some(RuleType::Deny)),
        Some(_) => Err("`provision.type` is neither permit nor deny"),
    }
}

fn role(own: &[Coding]) -> Role {
    let roles = own.iter().map(|coding| match coding.code.as_str() {
        "IRCP" | "PRCP" => Role::Recipient,
        "CST" => Role::Custodian,
        "AUT" => Role::Author,
        _ => Role::Unknown,
    });
    roles.min().unwrap_or(Role::Unknown)
}

fn scope(own: &[Coding]) -> Scope {
    let codes: Vec<&str> = own.iter().map(|coding| coding.code.as_str()).collect();
    let all = |known: &[&str]| codes.iter().all(|code| known.contains(code));
    if codes.is_empty() || !all(&["patient-privacy", "research", "treatment", "adr"]) {
        Scope::Unknown
    } else if all(&["patient-privacy", "research"]) {
        Scope::Data
    } else {
        Scope::Other
    }
}

fn status(object: &Object) -> Result<Status, Reason> {
    match object.get("status").and_then(Value::as_str) {
        Some("active") => Ok(Status::Active),
        Some("inactive") => Ok(Status::Inactive),
        Some("rejected") => Ok(Status::Rejected),
        Some("draft" | "proposed" | "not-done") => Ok(Status::Draft),
        Some("entered-in-error") => Ok(Status::EnteredInError),
        Some("unknown") => Ok(Status::Unknown),
        Some(_) | None => Err("`status` is missing or unknown"),
    }
}

fn decided(object: &Object, name: &str) -> Result<crate::instant::Instant, Reason> {
    let text = object.get(name).and_then(Value::as_str);
    text.and_then(period::decided).ok_or("it does not say on which day it was decided")
}

fn reference(value: Option<&Value>) -> Option<String> {
    let text = value?.get("reference")?.as_str()?;
    // A version of a resource is the resource.
    let text = text.split("/_history/").next().unwrap_or(text);
    (!text.is_empty()).then(|| text.to_owned())
}

fn coding(value: &Value) -> Option<Coding> {
    let code = value.get("code")?.as_str().filter(|code| !code.is_empty())?;
    let system = value.get("system").and_then(Value::as_str).unwrap_or_default();
    Some(Coding::new(system, code))
}

/// The codings of a `CodeableConcept`; none where it has only text.
fn concept(value: &Value) -> Option<Vec<Coding>> {
    let codings: Vec<Coding> =
        value.get("coding")?.as_array()?.iter().map(coding).collect::<Option<_>>()?;
    (!codings.is_empty()).then_some(codings)
}

fn list<'a>(object: &'a Object, name: &str) -> Result<&'a [Value], Reason> {
    match object.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_),
        ) => Err("a list is no array"),
    }
}

fn objects<'a>(object: &'a Object, name: &str) -> Result<Vec<&'a Object>, Reason> {
    let items = list(object, name)?.iter().map(Value::as_object);
    items.collect::<Option<_>>().ok_or("an item of a list is no object")
}

/// Codings, where some write a `CodeableConcept` in a coding's place.
fn codings(object: &Object, name: &str) -> Result<Vec<Coding>, Reason> {
    let mut all = Vec::new();
    for item in list(object, name)? {
        match (coding(item), concept(item)) {
            (Some(one), _) => all.push(one),
            (None, Some(several)) => all.extend(several),
            (None, None) => return Err("a coding has no code"),
        }
    }
    Ok(all)
}

fn concepts(object: &Object, name: &str) -> Result<Vec<Vec<Coding>>, Reason> {
    let items = list(object, name)?.iter().map(concept);
    items.collect::<Option<_>>().ok_or("a concept has no coding")
}
