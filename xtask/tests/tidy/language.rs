//! The rules for plain English that a program can check: comments, names of tests, messages.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use proc_macro2::{TokenStream, TokenTree};

use crate::code::is_attribute;
use crate::comments::blocks;
use crate::repository::{files, none};

/// The words that begin a comment badly: a verb or a noun says more.
const VAGUE_OPENINGS: &[&str] = &["What", "Whether", "Who", "Where", "Whatever", "Whoever", "Nothing"];

/// The share of vague openings, in percent of all blocks of comments, stays below this limit.
const VAGUE_OPENINGS_LIMIT: f64 = 3.0;

/// The words that a sentence of a comment has at most.
const LONGEST_SENTENCE: usize = 25;

/// The highest number of blocks with a longer sentence. Lower it after a rewrite.
const LONG_SENTENCES: usize = 54;

/// The words that the name of a test has at most.
const LONGEST_TEST_NAME: usize = 10;

/// The highest number of tests with longer names. Lower it after a rename.
const LONG_TEST_NAMES: usize = 54;

/// Phrases that no message, name or comment uses, and the plain phrase.
const FORBIDDEN_PHRASES: &[(&str, &str)] = &[
    ("mend", "hint, repair, correct"),
    ("mends", "repairs, corrects"),
    ("mended", "repaired, corrected"),
    ("mending", "repairing, correcting"),
    ("caused by: know", "failed to VERB OBJECT"),
    ("know who is let in", "read the dashboard's login settings"),
    ("had no point", "the container cannot start"),
    ("word of this session", "missing or invalid CSRF token"),
    ("takes no token", "the volume is read-only"),
    ("nobody was told", "failed to notify s6 of readiness"),
    ("is passed over", "is ignored"),
    ("furnish", "populate"),
    ("roots_own", "trusted_path"),
];

/// This file names the phrases.
const THIS_FILE: &str = "xtask/tests/tidy/language.rs";

#[test]
fn comments_begin_with_a_verb_or_a_noun() {
    let mut total = 0_u32;
    let mut vague = Vec::new();
    for (name, text) in files(&[".rs"]) {
        for block in blocks(&text) {
            total += 1;
            if VAGUE_OPENINGS.contains(&block.opening()) {
                vague.push(format!("{name}:{}: {}", block.line, block.lines.join(" ")));
            }
        }
    }
    let count = u32::try_from(vague.len()).unwrap();
    let share = 100.0 * f64::from(count) / f64::from(total);
    let figures = format!("{share:.2} % of the comments have a vague opening: {count} of {total} blocks");
    println!("{figures}");
    if share >= VAGUE_OPENINGS_LIMIT {
        none(&format!("{figures}; the limit is {VAGUE_OPENINGS_LIMIT} %"), vague);
    }
}

#[test]
fn sentences_of_comments_are_short() {
    let mut long = Vec::new();
    for (name, text) in files(&[".rs"]) {
        for block in blocks(&text) {
            let longest = block.sentence_lengths().into_iter().max().unwrap_or_default();
            if longest > LONGEST_SENTENCE {
                long.push(format!("{name}:{}: {longest} words", block.line));
            }
        }
    }
    ratchet(
        &format!("blocks of comments with a sentence over {LONGEST_SENTENCE} words"),
        LONG_SENTENCES,
        long,
    );
}

#[test]
fn names_of_tests_are_short() {
    let mut long = Vec::new();
    let mut total = 0;
    for (file, text) in files(&[".rs"]) {
        let mut names = Vec::new();
        add_tests(TokenStream::from_str(&text).unwrap(), &mut names);
        total += names.len();
        for (line, name) in names {
            let words = name.split('_').filter(|word| !word.is_empty()).count();
            if words > LONGEST_TEST_NAME {
                long.push(format!("{file}:{line}: {name} ({words} words)"));
            }
        }
    }
    println!("{total} tests");
    ratchet(&format!("names of tests over {LONGEST_TEST_NAME} words"), LONG_TEST_NAMES, long);
}

#[test]
fn no_text_has_a_forbidden_phrase() {
    let mut found = Vec::new();
    let endings = [".css", ".html", ".js", ".md", ".rs", ".sh", ".snap"];
    for (name, text) in files(&endings).into_iter().filter(|(name, _)| name != THIS_FILE) {
        found.extend(phrases(&name, &text));
    }
    let mut by_phrase = BTreeMap::new();
    for (phrase, _) in &found {
        *by_phrase.entry(*phrase).or_insert(0) += 1;
    }
    println!("forbidden phrases: {by_phrase:?}");
    none(
        "code, messages and documents have one vocabulary",
        found.into_iter().map(|(_, finding)| finding).collect(),
    );
}

/// Prints the number of findings, and fails if there are more than the limit.
#[track_caller]
fn ratchet(subject: &str, limit: usize, findings: Vec<String>) {
    println!("{} {subject}; the limit is {limit}", findings.len());
    if findings.len() > limit {
        none(&format!("{} {subject}; the limit is {limit}", findings.len()), findings);
    }
}

/// Returns each forbidden phrase in a text, with the finding.
fn phrases(file: &str, text: &str) -> Vec<(&'static str, String)> {
    let is_in_word =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let lower = text.to_lowercase();
    let mut found = Vec::new();
    for (phrase, plain) in FORBIDDEN_PHRASES {
        for (at, _) in lower.match_indices(phrase) {
            let (before, after) = (&lower[..at], &lower[at + phrase.len()..]);
            if !is_in_word(before.chars().next_back()) && !is_in_word(after.chars().next()) {
                let line = before.matches('\n').count() + 1;
                found.push((*phrase, format!("{file}:{line}: \"{phrase}\"; say {plain}")));
            }
        }
    }
    found
}

/// Adds line and name of each function that an attribute makes a test.
fn add_tests(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut is_test = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if is_attribute(&tokens, at) => {
                is_test |= is_test_attribute(group.stream());
            }
            TokenTree::Group(group) => add_tests(group.stream(), found),
            TokenTree::Ident(keyword) if is_test && keyword == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                    found.push((name.span().start().line, name.to_string()));
                }
                is_test = false;
            }
            _ => {}
        }
    }
}

/// Returns true for the content of `#[test]`, `#[tokio::test(…)]`, `#[rstest]`, `#[docker_test(…)]`.
fn is_test_attribute(attribute: TokenStream) -> bool {
    let path = attribute.into_iter().take_while(|token| !matches!(token, TokenTree::Group(_)));
    let last =
        path.filter_map(|token| if let TokenTree::Ident(ident) = token { Some(ident) } else { None }).last();
    last.is_some_and(|ident| ["test", "rstest", "docker_test"].iter().any(|name| ident == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_test_is_found() {
        let text = "#[test] fn a() {} #[tokio::test(flavor = \"x\")] #[ignore] async fn b() {} fn helper() {}
            mod m { #[docker_test(alone)] fn c() {} #[rstest] #[case(1)] pub fn d(#[case] n: u8) {} }
            macro! { #[test] fn e() {} } #[cfg(test)] mod tests {} fn other() {}";
        let mut found = Vec::new();
        add_tests(TokenStream::from_str(text).unwrap(), &mut found);
        let names: Vec<_> = found.iter().map(|(line, name)| (*line, name.as_str())).collect();
        assert_eq!(names, [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (3, "e")]);
    }

    #[test]
    fn phrases_are_whole_words() {
        let found = |text| phrases("f", text).into_iter().map(|(phrase, _)| phrase).collect::<Vec<_>>();
        assert_eq!(found("I recommend it; amends, mend_of"), [""; 0]);
        assert_eq!(found("Mend: it is mended"), ["mend", "mended"]);
    }
}
