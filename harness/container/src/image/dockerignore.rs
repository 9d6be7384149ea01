//! The part of `.dockerignore` that this repository uses, so that a context packed here is the one
//! that `docker build .` would send. A pattern outside of that part is an error, never a guess.

use std::path::Path;

use super::error::ImageError;

/// Rules in the order of the file; the last that matches decides.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    exception: bool,
    anywhere: bool,
    names: Vec<String>,
}

impl Ignore {
    /// Reads the text of a `.dockerignore`.
    pub(crate) fn parse(text: &str) -> Result<Self, ImageError> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (exception, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (anywhere, path) = pattern.strip_prefix("**/").map_or((false, pattern), |rest| (true, rest));
            let names: Vec<String> = path.trim_matches('/').split('/').map(str::to_owned).collect();
            let understood = |name: &String| {
                !name.is_empty() && !name.contains(['?', '[', '\\']) && name.matches('*').count() <= 1
            };
            if !names.iter().all(understood) {
                return Err(ImageError::IgnorePattern { line: index + 1, pattern: line.to_owned() });
            }
            rules.push(Rule { exception, anywhere, names });
        }
        Ok(Self { rules })
    }

    /// Returns whether a path, relative to the root of the context, stays out of it.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
        self.rules.iter().rev().find(|rule| rule.matches(&names)).is_some_and(|rule| !rule.exception)
    }
}

impl Rule {
    /// A pattern that names a directory matches what lies below it.
    fn matches(&self, path: &[impl AsRef<str>]) -> bool {
        let last_start = if self.anywhere { path.len() } else { 1 };
        (0..last_start).any(|start| {
            path.get(start..start + self.names.len()).is_some_and(|part| {
                part.iter().zip(&self.names).all(|(name, pattern)| name_matches(name.as_ref(), pattern))
            })
        })
    }
}

fn name_matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(rules: &str, path: &str) -> bool {
        Ignore::parse(rules).unwrap().excludes(Path::new(path))
    }

    #[test]
    fn a_list_of_what_may_in() {
        let rules = "*\n!crates\n!Cargo.toml\n**/target\n**/*.md\n";
        assert!(!excluded(rules, "Cargo.toml"));
        assert!(!excluded(rules, "crates/shop/src/main.rs"));
        assert!(excluded(rules, "target/debug/x"));
        assert!(excluded(rules, "crates/shop/target/x"));
        assert!(excluded(rules, "crates/shop/README.md"));
        assert!(excluded(rules, ".git/config"));
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        assert!(!excluded("docs\n!docs/keep\n", "docs/keep"));
        assert!(excluded("docs\n!docs/keep\n", "docs/other"));
        assert!(excluded("!docs\ndocs\n", "docs"));
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        let error = Ignore::parse("# note\n\nsrc/[ab]\n").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
