//! Checks a ViewDefinition once and makes its plan.
//!
//! Comes in: its JSON text. Goes out: columns and selects, or every fault with its place and a
//! hint. Never: a member that nobody knows passes unseen.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    decimal::Decimal,
    error::{ViewError, ViewFault},
    kind::{Kind, Type, choice},
    known::Known,
    parse::{Scope, parse},
    plan::{Base, Column, Each, Expr, Literal, Part, Select, Step},
};
use crate::fault::nearest;

const VIEW: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "url",
    "identifier",
    "version",
    "versionAlgorithmString",
    "versionAlgorithmCoding",
    "name",
    "title",
    "status",
    "experimental",
    "date",
    "publisher",
    "contact",
    "description",
    "useContext",
    "jurisdiction",
    "purpose",
    "copyright",
    "copyrightLabel",
    "resource",
    "profile",
    "fhirVersion",
    "constant",
    "select",
    "where",
];
const SELECT: &[&str] = &[
    "id",
    "extension",
    "modifierExtension",
    "column",
    "select",
    "forEach",
    "forEachOrNull",
    "repeat",
    "unionAll",
];
const COLUMN: &[&str] = &[
    "id",
    "extension",
    "modifierExtension",
    "path",
    "name",
    "description",
    "collection",
    "type",
    "tag",
];
const WHERE: &[&str] = &["id", "extension", "modifierExtension", "path", "description"];

/// What a ViewDefinition comes to.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: Option<String>,
    pub(super) resource: String,
    pub(super) columns: Vec<Column>,
    pub(super) selects: Vec<Part>,
    pub(super) filters: Vec<Expr>,
    pub(super) known: Known,
}

/// Compiles a ViewDefinition.
pub(super) fn compile(text: &str) -> Result<Compiled, ViewError> {
    let mut compiler = Compiler::default();
    let done = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(view)) => Some(compiler.view(&view)),
        Ok(_) => {
            compiler.fault("", "a ViewDefinition is a JSON object");
            None
        }
        Err(error) => {
            compiler.fault("", format!("this is no JSON: {error}"));
            None
        }
    };
    match done {
        Some(done) if compiler.faults.is_empty() => Ok(done),
        Some(_) | None => Err(ViewError::new(compiler.faults)),
    }
}

#[derive(Default)]
struct Compiler {
    resource: String,
    constants: BTreeMap<String, Literal>,
    columns: Vec<Column>,
    faults: Vec<ViewFault>,
}

impl Compiler {
    fn fault(&mut self, path: &str, message: impl Into<String>) {
        self.faults.push(ViewFault { path: path.to_owned(), message: message.into(), hint: None });
    }

    /// Adds what to write instead to the fault told last.
    fn hint(&mut self, hint: impl Into<String>) {
        if let Some(last) = self.faults.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    fn known(&mut self, object: &Map<String, Value>, at: &str, known: &[&str]) {
        for name in object.keys() {
            // `_name` carries what FHIR's JSON says about a primitive.
            if known.contains(&name.trim_start_matches('_')) {
                continue;
            }
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known.join(", ")),
            };
            self.fault(&join(at, name), "no member is called so here");
            self.hint(hint);
        }
    }

    /// Returns the objects of an array member; what is none is a fault.
    fn objects<'v>(
        &mut self,
        object: &'v Map<String, Value>,
        name: &str,
        at: &str,
    ) -> Vec<(&'v Map<String, Value>, String)> {
        let at = join(at, name);
        let mut found = Vec::new();
        match object.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let at = format!("{at}[{index}]");
                    match item.as_object() {
                        Some(item) => found.push((item, at)),
                        None => self.fault(&at, "an object belongs here"),
                    }
                }
            }
            Some(_) => self.fault(&at, "an array belongs here"),
        }
        found
    }

    fn text<'v>(
        &mut self,
        object: &'v Map<String, Value>,
        name: &str,
        at: &str,
    ) -> Option<&'v str> {
        match object.get(name) {
            None => None,
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            Some(_) => {
                self.fault(&join(at, name), "a text belongs here");
                None
            }
        }
    }

    fn view(&mut self, view: &Map<String, Value>) -> Compiled {
        self.known(view, "", VIEW);
        if let Some(kind) = view.get("resourceType")
            && kind != "ViewDefinition"
            && kind != "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition"
        {
            self.fault("resourceType", "this is no ViewDefinition");
        }
        match self.text(view, "resource", "").map(str::to_owned) {
            Some(name) if name.bytes().all(|b| b.is_ascii_alphabetic()) => self.resource = name,
            Some(_) => self.fault("resource", "a resource type is one word of letters"),
            None => {
                self.fault("resource", "the view does not say which resource it is of");
                self.hint("such as \"resource\": \"Patient\"");
            }
        }
        self.constants(view);
        let mut selects: Vec<Part> =
            self.selects(view, "select", "").into_iter().map(Part::Select).collect();
        if self.columns.is_empty() && self.faults.is_empty() {
            self.fault("select", "the view has no column");
            self.hint("such as \"select\": [{\"column\": [{\"name\": \"id\", \"path\": \"id\"}]}]");
        }
        let mut filters = Vec::new();
        for (filter, at) in self.objects(view, "where", "") {
            self.known(filter, &at, WHERE);
            if let Some(path) = self.path(filter, "path", &at) {
                let is = path.is();
                if !matches!(is, Type::Boolean | Type::Unknown) {
                    self.fault(&join(&at, "path"), "a filter is true or false");
                }
                filters.push(path);
            }
        }
        let known = Known::index(&mut selects, &mut filters);
        Compiled {
            name: self.text(view, "name", "").map(str::to_owned),
            resource: std::mem::take(&mut self.resource),
            columns: std::mem::take(&mut self.columns),
            selects,
            filters,
            known,
        }
    }

    fn constants(&mut self, view: &Map<String, Value>) {
        for (constant, at) in self.objects(view, "constant", "") {
            let Some(name) = self.text(constant, "name", &at) else {
                self.fault(&join(&at, "name"), "a constant has a name");
                continue;
            };
            if !is_name(name) {
                self.fault(&join(&at, "name"), NAME);
            }
            let mut values = constant.iter().filter(|(member, _)| member.starts_with("value"));
            let (Some((member, value)), None) = (values.next(), values.next()) else {
                self.fault(&at, "a constant has one value");
                self.hint("such as \"valueString\": \"official\"");
                continue;
            };
            let Some(literal) = literal(member, value) else {
                let message = "this is no value of a primitive type of FHIR";
                self.fault(&join(&at, member), message);
                continue;
            };
            if self.constants.insert(name.to_owned(), literal).is_some() {
                self.fault(&join(&at, "name"), "a constant before has this name");
            }
        }
    }

    fn selects(&mut self, object: &Map<String, Value>, name: &str, at: &str) -> Vec<Select> {
        let found = self.objects(object, name, at);
        found.into_iter().map(|(select, at)| self.select(select, &at)).collect()
    }

    fn select(&mut self, select: &Map<String, Value>, at: &str) -> Select {
        let faults = self.faults.len();
        self.known(select, at, SELECT);
        let given: Vec<&str> = ["forEach", "forEachOrNull", "repeat"]
            .into_iter()
            .filter(|name| select.contains_key(*name))
            .collect();
        if given.len() > 1 {
            let message = format!("`{}` do not go together", given.join("` and `"));
            self.fault(at, message);
            self.hint("nest one select in the other");
        }
        let each = match given.first() {
            Some(&"repeat") => Each::Repeat(self.repeat(select, at)),
            Some(name) => match self.path(select, name, at) {
                Some(path) => Each::Item { path, or_null: *name == "forEachOrNull" },
                None => Each::Once,
            },
            None => Each::Once,
        };
        let mut columns = Vec::new();
        for (column, at) in self.objects(select, "column", at) {
            if let Some((column, path)) = self.column(column, &at) {
                if self.columns.iter().any(|before| before.name == column.name) {
                    self.fault(&join(&at, "name"), "a column before has this name");
                }
                columns.push((self.columns.len(), path));
                self.columns.push(column);
            }
        }
        let mut parts: Vec<Part> =
            self.selects(select, "select", at).into_iter().map(Part::Select).collect();
        let union = self.union(select, at);
        if !union.is_empty() {
            parts.push(Part::Union(union));
        }
        // What is at fault gives nothing either, and is told already.
        if columns.is_empty() && parts.is_empty() && self.faults.len() == faults {
            self.fault(at, "a select without `column`, `select` or `unionAll` gives nothing");
        }
        Select { each, columns, parts }
    }

    /// Reads the branches of a union: all give the columns of the first.
    fn union(&mut self, select: &Map<String, Value>, at: &str) -> Vec<Select> {
        let first = self.columns.len();
        let mut shared: Option<Vec<Column>> = None;
        let mut branches = Vec::new();
        for (branch, at) in self.objects(select, "unionAll", at) {
            // Each branch is read as if its columns were the first to come here.
            let held: Vec<Column> = self.columns.drain(first..).collect();
            branches.push(self.select(branch, &at));
            if shared.is_none() {
                shared = Some(self.columns.split_off(first));
            } else {
                let here: Vec<Column> = self.columns.drain(first..).collect();
                let same = |a: &Column, b: &Column| {
                    (&a.name, a.kind, a.collection) == (&b.name, b.kind, b.collection)
                };
                let fits = here.len() == held.len()
                    && here.iter().zip(&held).all(|(here, held)| same(here, held));
                if !fits {
                    let names: Vec<&str> = held.iter().map(|column| column.name.as_str()).collect();
                    let hint =
                        format!("all branches have {}, in this order and type", names.join(", "));
                    self.fault(&at, "its columns are not those of the first branch");
                    self.hint(hint);
                }
            }
            self.columns.extend(shared.iter().flatten().cloned());
        }
        branches
    }

    fn repeat(&mut self, select: &Map<String, Value>, at: &str) -> Vec<Expr> {
        let at = join(at, "repeat");
        let Some(Value::Array(paths)) = select.get("repeat") else {
            self.fault(&at, "an array of paths belongs here");
            return Vec::new();
        };
        if paths.is_empty() {
            self.fault(&at, "a path to go down is missing");
        }
        let mut found = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            let at = format!("{at}[{index}]");
            match path.as_str() {
                None => self.fault(&at, "a text belongs here"),
                Some(text) => {
                    let Some(path) = self.parse(text, &at) else { continue };
                    let descends = matches!(&path, Expr::Path(Base::This, steps)
                        if matches!(steps.first(), Some(Step::Member(_) | Step::Choice { .. } | Step::Extension(_))));
                    if !descends {
                        self.fault(&at, "a path to go down begins with a member");
                    }
                    found.push(path);
                }
            }
        }
        found
    }

    fn path(&mut self, object: &Map<String, Value>, name: &str, at: &str) -> Option<Expr> {
        if !object.contains_key(name) {
            self.fault(&join(at, name), "a path is missing here");
            return None;
        }
        let text = self.text(object, name, at)?;
        self.parse(text, &join(at, name))
    }

    fn parse(&mut self, text: &str, at: &str) -> Option<Expr> {
        let scope = Scope { resource: &self.resource, constants: &self.constants };
        match parse(text, &scope) {
            Ok(expr) => Some(expr),
            Err(wrong) => {
                let message = format!("{}, at character {} of the path", wrong.message, wrong.at);
                self.fault(at, message);
                wrong.hint.into_iter().for_each(|hint| self.hint(hint));
                None
            }
        }
    }

    fn column(&mut self, column: &Map<String, Value>, at: &str) -> Option<(Column, Expr)> {
        self.known(column, at, COLUMN);
        let name = self.text(column, "name", at).map(str::to_owned);
        match &name {
            Some(name) if !is_name(name) => self.fault(&join(at, "name"), NAME),
            Some(_) => {}
            None => self.fault(&join(at, "name"), "a column has a name"),
        }
        let path = self.path(column, "path", at);
        let collection = match column.get("collection") {
            None => false,
            Some(Value::Bool(collection)) => *collection,
            Some(_) => {
                self.fault(&join(at, "collection"), "true or false belongs here");
                false
            }
        };
        let declared = self.text(column, "type", at);
        let kind = declared.map_or_else(
            || path.as_ref().and_then(|path| path.is().kind()),
            |word| Type::named(word).and_then(Type::kind),
        );
        if let (Some(word), None) = (declared, kind) {
            self.fault(&join(at, "type"), format!("`{word}` is no primitive type"));
            self.hint(
                "a column holds a primitive type, such as string, code, date, dateTime, integer, \
                 decimal or boolean",
            );
        }
        let kind = kind.unwrap_or(Kind::Text);
        let description = self.text(column, "description", at).map(str::to_owned);
        let declared = declared.is_some();
        let path = path?;
        let key = matches!(&path, Expr::Path(Base::This | Base::Resource, steps)
            if matches!(steps.as_slice(), [Step::ResourceKey])
                || matches!(steps.as_slice(), [Step::Member(name)] if name == "id"));
        Some((Column { name: name?, kind, collection, description, declared, key }, path))
    }
}

const NAME: &str = "a name begins with a letter and goes on with letters, digits and `_`";

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Returns the constant that a `value[x]` member stands for.
fn literal(member: &str, value: &Value) -> Option<Literal> {
    let is = choice(member.strip_prefix("value")?)?;
    match (is, value) {
        (Type::Boolean, Value::Bool(value)) => Some(Literal::Boolean(*value)),
        (Type::Integer | Type::Decimal, Value::Number(number)) => {
            let number = Decimal::parse(&number.to_string())?;
            (is == Type::Decimal || number.to_integer().is_some())
                .then_some(Literal::Number(number))
        }
        (Type::Text | Type::Date | Type::DateTime | Type::Time, Value::String(text)) => {
            Some(Literal::Text(text.clone(), is))
        }
        _ => None,
    }
}
