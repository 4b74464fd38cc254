//! A note as tokens, and a mark for each that is taken out.
//!
//! Comes in: text. Goes out: tokens, with their letters folded (lower case, no accents) and what the
//! lists know of them; in the end the spans. Never: a letter or a digit outside every token.

use std::ops::Range;

use super::{
    Class, Span,
    dates::Day,
    senses::Sense,
    words::{Words, fold},
};

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Letters.
    Word,
    /// ASCII digits.
    Number,
    /// Letters and digits, or digits of another script.
    Mixed,
}

/// How a token's letters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// No upper-case letter.
    Lower,
    /// The first letter alone is upper case.
    Capital,
    /// Every letter is upper case, two at least.
    Caps,
    /// Anything else.
    Other,
}

/// Letters and digits without a gap.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) bytes: Range<usize>,
    /// Where its folded letters stand.
    pub(super) folded: Range<usize>,
    pub(super) made: Made,
    pub(super) case: Case,
    pub(super) sense: Sense,
}

/// What was decided on a token.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) class: Option<Class>,
    /// Whether the gap before it goes with it.
    joined: bool,
}

/// A text on its way.
#[derive(Debug)]
pub(super) struct Note<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    folded: String,
    marks: Vec<Mark>,
    /// Whole dates, by their first token.
    days: Vec<(usize, Day)>,
    /// Ages as they are shown, by their first token.
    ages: Vec<(usize, String)>,
}

impl<'t> Note<'t> {
    pub(super) fn read(text: &'t str, words: &Words) -> Self {
        let mut note = Self {
            text,
            tokens: Vec::with_capacity(text.len() / 5),
            folded: String::with_capacity(text.len()),
            marks: Vec::new(),
            days: Vec::new(),
            ages: Vec::new(),
        };
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if byte.is_ascii_alphanumeric() {
                at = note.take(at, words);
            } else if byte.is_ascii() {
                at += 1;
            } else {
                let next = text.get(at..).and_then(|rest| rest.chars().next());
                at = match next {
                    Some(c) if c.is_alphanumeric() => note.take(at, words),
                    Some(c) => at + c.len_utf8(),
                    None => at + 1,
                };
            }
        }
        note.marks = vec![Mark::default(); note.tokens.len()];
        note
    }

    /// Takes the token that begins at a byte; returns where it ends.
    fn take(&mut self, start: usize, words: &Words) -> usize {
        let from = self.folded.len();
        let (mut letters, mut digits, mut upper, mut lower) = (0_u32, 0_u32, 0_u32, 0_u32);
        let mut first_is_upper = false;
        let mut is_foreign = false;
        let mut end = start;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'a'..=b'z' => {
                    lower += 1;
                    letters += 1;
                    self.folded.push(char::from(*byte));
                }
                b'A'..=b'Z' => {
                    first_is_upper |= letters == 0;
                    upper += 1;
                    letters += 1;
                    self.folded.push(char::from(byte.to_ascii_lowercase()));
                }
                b'0'..=b'9' => {
                    digits += 1;
                    self.folded.push(char::from(*byte));
                }
                b'\'' if self.is_contraction(end, end + 1) => {}
                _ if byte.is_ascii() => break,
                _ => {
                    let Some(c) = self.text.get(end..).and_then(|rest| rest.chars().next()) else {
                        break;
                    };
                    let is_mark = is_silent(c);
                    let contracts = c == '\u{2019}' && self.is_contraction(end, end + c.len_utf8());
                    if !is_mark && !contracts && !c.is_alphanumeric() {
                        break;
                    }
                    if c.is_alphanumeric() {
                        if c.is_numeric() {
                            digits += 1;
                            is_foreign = true;
                        } else {
                            first_is_upper |= letters == 0 && c.is_uppercase();
                            letters += 1;
                            upper += u32::from(c.is_uppercase());
                            lower += u32::from(!c.is_uppercase());
                        }
                        fold(c, &mut self.folded);
                    }
                    end += c.len_utf8();
                    continue;
                }
            }
            end += 1;
        }
        let made = match (letters, digits) {
            (_, 0) => Made::Word,
            (0, _) if !is_foreign => Made::Number,
            (_, _) => Made::Mixed,
        };
        let case = match (upper, lower) {
            (0, _) => Case::Lower,
            (1, _) if first_is_upper => Case::Capital,
            (_, 0) => Case::Caps,
            (_, _) => Case::Other,
        };
        let folded = from..self.folded.len();
        let sense = match made {
            Made::Number => Sense::NONE,
            Made::Word | Made::Mixed => {
                words.sense(self.folded.get(folded.clone()).unwrap_or_default())
            }
        };
        self.tokens.push(Token { bytes: start..end, folded, made, case, sense });
        end
    }

    /// Whether an apostrophe and `t` end the token: `don't` is one word, and no Don.
    fn is_contraction(&self, apostrophe: usize, next: usize) -> bool {
        let bytes = self.text.as_bytes();
        let before = apostrophe.checked_sub(1).and_then(|at| bytes.get(at));
        before.is_some_and(|b| matches!(b, b'n' | b'N'))
            && bytes.get(next).is_some_and(|b| matches!(b, b't' | b'T'))
            && bytes.get(next + 1).is_none_or(|b| b.is_ascii() && !b.is_ascii_alphanumeric())
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at)
    }

    /// All letters and digits, folded, one token after the other.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }

    /// The token that begins (or ends) at a byte of the folded letters.
    pub(super) fn beginning_at(&self, byte: usize) -> Option<usize> {
        self.tokens.binary_search_by_key(&byte, |token| token.folded.start).ok()
    }

    pub(super) fn ending_at(&self, byte: usize) -> Option<usize> {
        self.tokens.binary_search_by_key(&byte, |token| token.folded.end).ok()
    }

    /// A token's letters, folded; nothing for a token that is not there.
    pub(super) fn word(&self, at: usize) -> &str {
        self.token(at).and_then(|t| self.folded.get(t.folded.clone())).unwrap_or_default()
    }

    /// A token as it is written.
    pub(super) fn raw(&self, at: usize) -> &'t str {
        self.token(at).and_then(|t| self.text.get(t.bytes.clone())).unwrap_or_default()
    }

    pub(super) fn sense(&self, at: usize) -> Sense {
        self.token(at).map_or(Sense::NONE, |token| token.sense)
    }

    pub(super) fn case(&self, at: usize) -> Case {
        self.token(at).map_or(Case::Lower, |token| token.case)
    }

    /// Whether a unit that is glued to its number could be one by its case: `5M` is none.
    pub(super) fn is_lower_unit(&self, at: usize) -> bool {
        !self.raw(at).ends_with(['F', 'M']) || self.raw(at).len() > 3
    }

    /// Whether a token is written with a capital, alone or among others.
    pub(super) fn is_capital(&self, at: usize) -> bool {
        self.case(at) != Case::Lower
    }

    pub(super) fn is_number(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.made == Made::Number)
    }

    pub(super) fn is_word(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.made == Made::Word)
    }

    /// The value of a token of at most eight digits.
    pub(super) fn value(&self, at: usize) -> Option<u32> {
        let digits = Some(self.word(at)).filter(|_| self.is_number(at))?;
        (digits.len() <= 8).then(|| digits.parse().ok()).flatten()
    }

    /// How many digits a number has; 0 for what is none.
    pub(super) fn digits(&self, at: usize) -> usize {
        if self.is_number(at) { self.word(at).len() } else { 0 }
    }

    /// What stands between a token and the one before it.
    pub(super) fn gap(&self, at: usize) -> &'t str {
        let from = at.checked_sub(1).and_then(|at| self.token(at)).map_or(0, |t| t.bytes.end);
        let to = self.token(at).map_or(self.text.len(), |token| token.bytes.start);
        self.text.get(from..to).unwrap_or_default()
    }

    /// What stands after a token.
    pub(super) fn after(&self, at: usize) -> &'t str {
        self.gap(at + 1)
    }

    /// Whether a token opens a line or a sentence.
    pub(super) fn opens(&self, at: usize) -> bool {
        at == 0 || self.gap(at).contains(['.', '!', '?', '\n', ':', ';', '•', '*'])
    }

    pub(super) fn is_marked(&self, at: usize) -> bool {
        self.class(at).is_some()
    }

    pub(super) fn class(&self, at: usize) -> Option<Class> {
        self.marks.get(at).and_then(|mark| mark.class)
    }

    /// Takes one token out, unless it is already.
    pub(super) fn mark(&mut self, at: usize, class: Class) {
        if let Some(mark) = self.marks.get_mut(at) {
            mark.class.get_or_insert(class);
        }
    }

    /// Takes out tokens and the gaps between them as one span.
    pub(super) fn mark_all(&mut self, tokens: Range<usize>, class: Class) {
        let first = tokens.start;
        for at in tokens {
            if let Some(mark) = self.marks.get_mut(at) {
                mark.class.get_or_insert(class);
                mark.joined |= at > first;
            }
        }
    }

    /// Takes out a whole date.
    pub(super) fn mark_day(&mut self, tokens: Range<usize>, day: Option<Day>) {
        if let Some(day) = day {
            self.days.push((tokens.start, day));
        }
        self.mark_all(tokens, Class::Date);
    }

    /// Takes out an age; `shown` stands in its place.
    pub(super) fn mark_age(&mut self, tokens: Range<usize>, shown: String) {
        self.ages.push((tokens.start, shown));
        self.mark_all(tokens, Class::Age);
    }

    /// Puts marks together: neighbours of one class become one span, so that it does not show of
    /// how many words a name is.
    pub(super) fn spans(&self, moved: impl Fn(Day) -> Option<String>) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut before: Option<usize> = None;
        for (at, (token, mark)) in self.tokens.iter().zip(&self.marks).enumerate() {
            let Some(class) = mark.class else { continue };
            let follows = before.is_some_and(|before| before + 1 == at);
            let day = self.days.iter().find(|(first, _)| *first == at && class == Class::Date);
            let shown = day.and_then(|(_, day)| moved(*day)).or_else(|| {
                self.ages.iter().find(|(first, _)| *first == at).map(|(_, shown)| shown.clone())
            });
            match spans.last_mut() {
                Some(last)
                    if follows
                        && (mark.joined
                            || (last.class == class
                                && last.shown.is_none()
                                && shown.is_none()
                                && is_slight(self.gap(at)))) =>
                {
                    last.bytes.end = token.bytes.end;
                }
                Some(_) | None => spans.push(Span { bytes: token.bytes.clone(), class, shown }),
            }
            before = Some(at);
        }
        spans
    }
}

/// Marks that are written over or within a letter and say nothing by themselves.
pub(super) fn is_silent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Whether a gap is no more than what stands between the words of one name.
fn is_slight(gap: &str) -> bool {
    gap.len() <= 3 && !gap.contains([',', ';', ':', '/', '(', ')', '[', ']', '"'])
}
