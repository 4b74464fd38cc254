//! What lets a page check itself in a browser, offline: its proof files, the log's key, the steps, and
//! a script that loads nothing.
//!
//! Comes in: proofs as text, the key to hold them against. Goes out: the last part of a page, and the
//! script that the page's policy names by its hash. Never: a claim of a check that was not made.

use maud::{Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

use super::messages::{Messages, Say};

/// The script: one text for all pages.
pub(super) const SCRIPT: &str = include_str!("check.js");

/// The proofs that a page rests on, and the key that they are checked with.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageProofs {
    /// The keys that signed the checkpoints of the proofs, as vkeys: more than one where the log's key
    /// was changed between them.
    pub vkeys: Vec<String>,
    /// The proof files, as text.
    pub files: Vec<String>,
}

impl std::fmt::Debug for PageProofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A proof of a line is a person's.
        f.debug_struct("PageProofs").field("vkeys", &self.vkeys).finish_non_exhaustive()
    }
}

impl PageProofs {
    /// Adds a proof and the key that signed its checkpoint.
    pub fn add(&mut self, vkey: String, file: String) {
        if !self.vkeys.contains(&vkey) {
            self.vkeys.push(vkey);
        }
        self.files.push(file);
    }
}

/// What a page proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// That the figure at its top is what its lines paid.
    Paid,
    /// That the root that it names is the one that the log signed.
    Head,
}

impl Shows {
    /// The script's word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Head => "head",
        }
    }

    /// The steps of the check, in order, and the message that tells each.
    fn steps(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Paid => &[
                ("form", "selfcheck-form"),
                ("log", "selfcheck-log"),
                ("signed", "selfcheck-signed"),
                ("line", "selfcheck-line"),
                ("leaf", "selfcheck-leaf"),
                ("shown", "selfcheck-shown-paid"),
                ("key", "selfcheck-key"),
            ],
            Self::Head => &[
                ("form", "selfcheck-form"),
                ("log", "selfcheck-log"),
                ("signed", "selfcheck-signed"),
                ("shown", "selfcheck-shown-head"),
                ("key", "selfcheck-key"),
            ],
        }
    }

    /// What the check does not look at.
    fn unchecked(self) -> &'static [&'static str] {
        match self {
            Self::Paid => &[
                "selfcheck-not-key",
                "selfcheck-not-rest",
                "selfcheck-not-fork",
                "selfcheck-not-page",
            ],
            Self::Head => &[
                "selfcheck-not-key",
                "selfcheck-not-audit",
                "selfcheck-not-fork",
                "selfcheck-not-page",
            ],
        }
    }
}

/// The part of a page that checks it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check<'a> {
    pub(super) shows: Shows,
    pub(super) proofs: &'a PageProofs,
}

impl Check<'_> {
    /// Draws it: the proof files for everyone, the steps for who runs the script.
    pub(super) fn draw(self, messages: &Messages) -> Markup {
        let Self { shows, proofs: PageProofs { vkeys, files: proofs } } = self;
        let say = |name: &str| messages.say(name);
        let files = u64::try_from(proofs.len()).unwrap_or(u64::MAX);
        html! {
            h2 { (say("selfcheck-heading")) }
            p { (messages.tell("selfcheck-file", &[("count", Say::Count(files))])) }
            pre { code {
                "almoner verify-proof FILE"
                @for vkey in vkeys { " --vkey '" (vkey) "'" }
            } }
            details {
                summary { (messages.tell("selfcheck-files", &[("count", Say::Count(files))])) }
                @for proof in proofs { pre .proof-file { (proof) } }
            }
            div #check data-shows=(shows.word()) hidden {
                p data-verdict="good" hidden { b { (say("selfcheck-good")) } }
                p data-verdict="bad" hidden { b { (say("selfcheck-bad")) } }
                p data-verdict="cannot" hidden { b { (say("selfcheck-cannot")) } }
                ol { @for (step, words) in shows.steps() {
                    li data-step=(step) hidden { (say(words)) }
                } }
                @match shows {
                    Shows::Paid => { details {
                        summary { (say("selfcheck-lines")) }
                        dl data-lines {}
                    } }
                    Shows::Head => { dl data-lines hidden {} }
                }
                p {
                    (say("selfcheck-vkey"))
                    @for vkey in vkeys { " " code .check-vkey { (vkey) } }
                }
                p {
                    label for="check-key" { (say("selfcheck-paste")) } " "
                    input #check-key type="text" autocomplete="off" spellcheck="false" size="60";
                }
                p { (say("selfcheck-not")) }
                ul { @for words in shows.unchecked() { li { (say(words)) } } }
            }
            script { (PreEscaped(SCRIPT)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Lang;

    #[test]
    fn the_script_loads_nothing_and_ends_nowhere_early() {
        for banned in
            ["</", "<!--", "fetch(", "XMLHttpRequest", "import(", "http:", "eval(", "innerHTML"]
        {
            assert!(!SCRIPT.contains(banned), "{banned}");
        }
        assert_eq!(SCRIPT.matches("https://").count(), 1, "an entry's own type, and no address");
    }

    #[test]
    fn every_step_that_the_script_decides_has_words_in_each_language_and_the_other_way_round() {
        for lang in Lang::ALL {
            for shows in [Shows::Paid, Shows::Head] {
                for (step, words) in shows.steps() {
                    assert!(SCRIPT.contains(&format!("\"{step}\"")), "nothing decides {step}");
                    assert_ne!(Messages::of(lang).say(words), *words, "{words} has no words");
                }
                for words in shows.unchecked() {
                    assert_ne!(Messages::of(lang).say(words), *words, "{words} has no words");
                }
            }
        }
    }
}
